"""The Ray-parallel stages of a build, one module a stage, in the order in which data flows.

plan -> download -> persons -> faces -> clusters -> [identities] -> keypoints -> [split] -> pack
-> ledger. The two in brackets look at the whole build, the others at one shard.
"""
