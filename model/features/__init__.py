"""Features of whole people on disk: samples of shards, extraction in batches, a resumable file."""
