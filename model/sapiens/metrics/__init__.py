"""How good outputs are: keypoint similarity, body parts, depth and normals."""

from model.sapiens.metrics.depth import DepthFigures, depth_figures, mean_figures, scale_and_shift
from model.sapiens.metrics.keypoints import KeypointFigures, keypoint_figures
from model.sapiens.metrics.normals import NormalErrors, NormalFigures
from model.sapiens.metrics.parts import PartConfusion, PartFigures
from model.sapiens.metrics.poses import FoundPose, TruePose, without_duplicates

__all__ = [
    "DepthFigures",
    "FoundPose",
    "KeypointFigures",
    "NormalErrors",
    "NormalFigures",
    "PartConfusion",
    "PartFigures",
    "TruePose",
    "depth_figures",
    "keypoint_figures",
    "mean_figures",
    "scale_and_shift",
    "without_duplicates",
]
