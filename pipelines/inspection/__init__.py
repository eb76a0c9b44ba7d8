"""Inspecting a build: status, explanation of one image, estimate, contact sheets."""
