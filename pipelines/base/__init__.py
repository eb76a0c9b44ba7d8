"""What stages are made of: the base class, a shard in and out, the tally, batches by weight."""
