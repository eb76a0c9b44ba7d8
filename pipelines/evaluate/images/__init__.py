"""The images of data sets as samples, in units, with cached keypoints."""
