"""Pictures of the pages: cut from the tars, scaled, drawn on."""
