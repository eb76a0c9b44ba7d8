"""Evaluation protocols: features and labels in, figures out; and the readers of data sets."""
