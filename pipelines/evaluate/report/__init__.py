"""Figures beside those of the paper: tables, and a page with rankings and curves."""
