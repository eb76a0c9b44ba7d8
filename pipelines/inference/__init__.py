"""From what a user names (builds, shards, pictures) to samples that SapiensID takes."""
