"""The metrics of a running build, and where they go: files, Ray's own metrics, dashboards."""
