"""Training SapiensID: a run is put together, started (also in Ray's workers), stopped, saved."""
