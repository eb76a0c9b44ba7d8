"""Predictions of Sapiens' models on pictures of a disk or a store, written as files."""
