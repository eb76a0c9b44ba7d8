"""What a training writes down while it runs: metrics, progress, validation."""
