"""Which people are for testing, and where each sample goes in the shuffle."""
