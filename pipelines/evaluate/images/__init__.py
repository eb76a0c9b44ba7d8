"""The images of data sets as samples: read, their keypoints found, in parts that are kept."""
