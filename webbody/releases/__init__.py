"""Releases: the format of a data set that is published as URLs and labels, without the pictures."""
