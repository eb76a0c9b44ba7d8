"""Checks of a machine before a build."""
