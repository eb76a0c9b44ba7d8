"""Sampling of test people and subsets, and the shuffle."""
