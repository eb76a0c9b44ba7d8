"""Identity resolution: features, similar pairs, merging, ambiguity, leaks, duplicates."""
