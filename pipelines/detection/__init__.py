"""The model libraries on whole batches: persons, faces, embeddings, keypoints."""
