"""The kinds of data sets: what each needs features of, and what figures it makes of them."""
