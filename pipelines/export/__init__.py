"""Exporting a finished build: its packed samples in the formats that other tools read."""
