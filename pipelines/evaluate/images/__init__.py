"""The images of data sets as samples: where they come from, in units, their people found once."""
