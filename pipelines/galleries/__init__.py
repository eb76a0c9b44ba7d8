"""Labelled pictures of known people from folders and lists, and galleries made of them."""
