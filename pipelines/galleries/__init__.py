"""People who are known: folders and lists of labelled pictures, and galleries made of them."""
