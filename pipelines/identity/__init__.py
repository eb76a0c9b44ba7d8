"""Who is who: face features, similar pairs, merging, doubt, leaks, duplicates; gallery files."""
