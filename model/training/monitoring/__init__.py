"""Monitoring of a training: metrics, progress, validation."""
