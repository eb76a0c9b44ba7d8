"""Decoding untrusted pictures in separate processes, under limits of time and memory."""
