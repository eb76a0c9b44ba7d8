"""Takedowns: removing samples on request from a build folder and later builds."""
