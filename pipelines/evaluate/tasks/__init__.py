"""The kinds of evaluation tasks: images that need features, and figures made of them."""
