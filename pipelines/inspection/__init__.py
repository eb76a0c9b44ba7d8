"""Looking at a build: status, one image's story, the estimate, contact sheets."""
