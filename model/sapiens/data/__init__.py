"""Labelled pictures of the four tasks, read, checked and augmented."""

from model.sapiens.data.coco_keypoints import KeypointFile, read_keypoint_file
from model.sapiens.data.part_data import PartData, PartSample
from model.sapiens.data.pose_data import PoseData, PoseSample
from model.sapiens.data.surface_data import DepthData, DepthSample, NormalData, NormalSample

__all__ = [
    "DepthData",
    "DepthSample",
    "KeypointFile",
    "NormalData",
    "NormalSample",
    "PartData",
    "PartSample",
    "PoseData",
    "PoseSample",
    "read_keypoint_file",
]
