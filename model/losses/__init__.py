"""What SapiensID is trained with: AdaFace's margin over a classifier that is sharded by rank."""

from model.losses.adaface import AdaFace
from model.losses.classifier_shards import load_shard, save_shard
from model.losses.partial_fc import PartialFC

__all__ = ["AdaFace", "PartialFC", "load_shard", "save_shard"]
