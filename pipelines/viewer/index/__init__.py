"""The tables that pages are made of: one row per crop, columns only, made once and kept."""
