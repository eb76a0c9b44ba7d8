"""Checks of a machine before a build: what is well, what is not, and what to do about it."""
