"""Drawn people with exact ground truth: identities, poses, scenes."""
