"""SapiensID, one idea a file: regions, retina patch, positions, masking, head, and the whole."""
