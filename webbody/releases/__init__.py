"""The format of releases: data sets published as URLs and labels, without pictures."""
