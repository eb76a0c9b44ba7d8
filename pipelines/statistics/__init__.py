"""Statistics of a build or a release, and of two of them side by side."""
