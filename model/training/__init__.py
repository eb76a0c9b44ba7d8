"""Training SapiensID: building, starting (also in Ray's workers), stopping and saving a run."""
