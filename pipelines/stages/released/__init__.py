"""The stages of a build from a release, which contains the boxes of its people.

plan -> download -> crops -> [split] -> pack -> ledger. Download and pack are those of every build.
"""
