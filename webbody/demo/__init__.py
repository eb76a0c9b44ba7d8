"""The synthetic web: drawn people with exact ground truth, and the server that publishes them."""
