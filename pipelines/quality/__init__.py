"""Figures of whole photos that tell overlaid text and drawings; classical, without a model."""
