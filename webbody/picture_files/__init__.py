"""Picture files from strangers: their formats, headers under limits, and their colours."""
