"""Models in batches: detection of persons, faces and keypoints, and face embeddings."""
