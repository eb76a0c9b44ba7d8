"""The synthetic web: what is on it, its images, its manifest and truth, its server."""
