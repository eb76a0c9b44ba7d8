"""People who are known: galleries of validation sets, thresholds calibrated on them."""
