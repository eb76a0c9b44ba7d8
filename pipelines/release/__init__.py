"""Releases: a finished build as URLs, labels and a data card to publish."""
