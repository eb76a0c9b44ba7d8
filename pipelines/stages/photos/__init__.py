"""The stages of a build of whole photos of people: no names, no faces, no crops."""
