"""Inference on builds, shards and pictures: samples, features, comparison."""
