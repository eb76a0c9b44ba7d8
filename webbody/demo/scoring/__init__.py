"""How good a build of the synthetic web is, compared with the truth."""
