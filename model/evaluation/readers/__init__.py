"""Readers: a data set's folder in, a table of its images out. Base names are parsed, not paths."""
