"""Readers of data sets: from a folder to a table of images. Base names are parsed, not paths."""
