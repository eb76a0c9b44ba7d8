"""The losses of Sapiens' tasks, as its authors' code computes them."""
