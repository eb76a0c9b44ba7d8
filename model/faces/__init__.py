"""Faces of samples: aligned by their landmarks, and their features by the face embedder."""
