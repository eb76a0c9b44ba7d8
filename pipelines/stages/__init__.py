"""The stages of a build, one module a stage: the road of a row from its URL to a sample.

plan -> download -> persons -> faces -> clusters -> [identities] -> keypoints -> [split] -> pack
-> ledger. The two in brackets look at the whole build, the others at one shard.
"""
