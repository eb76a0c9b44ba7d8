"""What outputs are called: the keypoints and the body parts of Sapiens, by name."""

from model.sapiens.vocabulary.keypoints import (
    KeypointVocabulary,
    keypoint_vocabulary,
    shared_points,
)
from model.sapiens.vocabulary.parts import PartVocabulary, part_vocabulary

__all__ = [
    "KeypointVocabulary",
    "PartVocabulary",
    "keypoint_vocabulary",
    "part_vocabulary",
    "shared_points",
]
