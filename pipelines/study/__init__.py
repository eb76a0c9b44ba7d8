"""The supplement's studies: the figures of data sets when something is changed (webbody study)."""
