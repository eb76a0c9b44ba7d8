"""The stages of a build from a release: where everybody is stands in the release already.

plan -> download -> crops -> [split] -> pack -> ledger. Download and pack are those of every build.
"""
