"""Verification of builds, imports and releases against their own records."""
