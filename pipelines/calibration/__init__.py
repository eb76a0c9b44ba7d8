"""Thresholds for a build, measured on pictures of known people or on samples of images."""
