"""Diagnosis of builds in which a stage drops nearly everything, while running and at the end."""
