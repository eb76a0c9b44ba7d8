"""Heads: from the encoder's tokens to one feature, a kind of head a file."""
