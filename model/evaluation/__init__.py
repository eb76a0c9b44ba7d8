"""Evaluation protocols from features and labels to figures, and readers of data sets."""
