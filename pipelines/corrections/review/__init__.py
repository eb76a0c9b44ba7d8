"""What a person should look at first, and how many errors are left after what was looked at."""
