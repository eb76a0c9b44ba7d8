"""Estimates before a training: parameters, memory, time."""
