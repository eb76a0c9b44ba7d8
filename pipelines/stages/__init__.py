"""The stages of a build, one module each, from a row with a URL to a sample.

plan -> download -> persons -> faces -> flags -> clusters -> [identities] -> keypoints -> [split] ->
pack -> ledger. The two in brackets look at the whole build, the others at one shard.
"""
