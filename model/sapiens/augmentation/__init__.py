"""Labelled pictures as inputs of a network: placed, augmented, with their targets in its frame."""

from model.sapiens.augmentation.dense import (
    DEPTH_AUGMENTATION,
    NORMAL_AUGMENTATION,
    PART_AUGMENTATION,
    DenseAugmentation,
    DepthInput,
    NormalInput,
    PartInput,
    depth_input,
    depth_target,
    normal_input,
    part_input,
)
from model.sapiens.augmentation.placing import squeezed
from model.sapiens.augmentation.pose import PoseAugmentation, PoseInput, pose_input

__all__ = [
    "DEPTH_AUGMENTATION",
    "NORMAL_AUGMENTATION",
    "PART_AUGMENTATION",
    "DenseAugmentation",
    "DepthInput",
    "NormalInput",
    "PartInput",
    "PoseAugmentation",
    "PoseInput",
    "depth_input",
    "depth_target",
    "normal_input",
    "part_input",
    "pose_input",
    "squeezed",
]
