"""Training parts of body-ReID data sets as shards like a build's (webbody import reid)."""
