"""Verify: what a build, an import or a release holds, against what it says that it holds."""
