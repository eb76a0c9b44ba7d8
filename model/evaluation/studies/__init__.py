"""The supplement's studies of robustness: models that give the features of several variants."""
