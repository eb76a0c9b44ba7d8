"""The data of a training: samples of shards in an exact order, decoded, augmented, batched."""
