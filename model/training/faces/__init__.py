"""Training the face embedder on the samples of builds, in the machinery that trains SapiensID."""
