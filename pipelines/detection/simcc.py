"""Decoding SimCC models: positions and confidences of keypoints.

A SimCC model (RTMPose, RTMW, DWPose) gives a row of logits over the bins of x and one over those
of y. A softmax over `beta` times the logits is what its loss saw; beta is 10 in mmpose's
configurations of RTMPose and DWPose and 1 in those of RTMW, so that the peaks of sure points lie
near 1 and near 10 (seen: 0.8 to 1.1, and about 5). The softmax is the model's own distribution of
the point's place, and its mass near the peak is the confidence: the probability, as the model sees
it, that the point is where it says. It is one number in 0..1 with one meaning, whatever beta is.

Other families give such a number as it is: YOLO-pose the sigmoid of a logit that was trained to
tell visible points from others, face detectors the sigmoid of a face's logit.
"""

import numpy as np
from numpy.typing import NDArray

#: Bins per pixel of the input on both axes (`simcc_split_ratio` of every configuration).
SPLIT = 2
#: What beta is in public configurations: RTMPose and DWPose, RTMW.
BETAS = (10.0, 1.0)
#: In a table's metadata: where confidences are from, such as the factor of a softmax.
SOFTMAX = b"webbody.softmax"

# The labels' Gaussians have a standard deviation of sqrt(side / 8) bins, rounded, in every
# configuration: (4.9, 5.66) at 192 x 256 px, (6, 6.93) at 288 x 384; they reach three of them far.
_REACH = 3
# Between the highest peak known of a beta of 10 (1.1) and the lowest to be expected of a beta of 1
# on a person (3).
_LOW, _HIGH = 1.8, 18.0


def read_simcc(
    x: NDArray[np.float32], y: NDArray[np.float32], beta: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Places (N, K, 2) in pixels of the model's input and confidences (N, K) in 0..1.

    x (N, K, 2 * width) and y (N, K, 2 * height) are logits. A place is the peak, as rtmlib and
    mmpose read it. The confidence is the lower one of the two axes, as in mmpose.
    """
    peaks = np.stack([x.argmax(-1), y.argmax(-1)], -1)
    sure = [_near_peak(logits, peaks[..., axis], beta) for axis, logits in enumerate((x, y))]
    return (peaks / SPLIT).astype(np.float32), np.minimum(*sure)


def _near_peak(
    logits: NDArray[np.float32], peaks: NDArray[np.int64], beta: float
) -> NDArray[np.float32]:
    """The mass (N, K) of the softmax over beta * logits (N, K, bins) within reach of the peaks."""
    bins = logits.shape[-1]
    reach = int(_REACH * np.sqrt(bins / SPLIT / 8))
    with np.errstate(invalid="ignore"):  # no confidence in values that are not finite
        mass = np.exp(np.float32(beta) * (logits - logits.max(-1, keepdims=True)))
        around = peaks[..., None] + np.arange(-reach, reach + 1)
        near = np.take_along_axis(mass, around.clip(0, bins - 1), -1)
        near[(around < 0) | (around >= bins)] = 0
        centre: NDArray[np.float32] = np.nan_to_num(near.sum(-1) / mass.sum(-1))
        return centre


def infer_beta(x: NDArray[np.float32], y: NDArray[np.float32]) -> float | None:
    """The beta of BETAS with which a model was trained, inferred from logits for a person.

    The loss draws the peak of a sure point to 10 / beta above the rest, and no higher. None where
    the logits are of no such scale.
    """
    heights = [(logits.max(-1) - np.median(logits, -1)).max() for logits in (x, y)]
    height = float(max(heights))
    if not height <= _HIGH:
        return None
    return BETAS[height > _LOW]
