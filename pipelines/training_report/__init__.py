"""A training to look at, while it runs and afterwards: curves, and what its validation finds."""
