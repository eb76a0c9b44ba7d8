"""Building a data set, and what is done with one: the build, its stages, and their helpers."""
