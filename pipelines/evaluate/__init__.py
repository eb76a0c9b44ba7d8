"""A model's figures on data sets beside those of the paper (webbody evaluate)."""
