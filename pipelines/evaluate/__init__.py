"""Evaluation of a model on data sets, compared with the paper (webbody evaluate)."""
