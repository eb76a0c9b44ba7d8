"""Release: a finished build as something to publish: URLs and labels, and a card that says how."""
