"""A labelled person as an input of a pose network.

Shape suffixes: K keypoints, H W sides of the input.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.sapiens.augmentation.colours import blurred, distorted, median_filtered, with_hole
from model.sapiens.crops import PADDING, centre_and_scale, crop_matrix, moved, warped
from model.sapiens.data import PoseSample
from model.sapiens.vocabulary import KeypointVocabulary

#: Half bodies: of people with so many labelled points, so many of them in the half; how much of the
#: surroundings the half is shown with; how often the upper half is taken where both will do.
_POINTS, _IN_HALF, _HALF_PADDING, _UPPER = 9, (2, 3), 1.5, 0.7


@dataclass(frozen=True)
class PoseAugmentation:
    """Probabilities, and ranges; by default those of the paper's authors.

    shift: by shares of the crop's sides. scale: factors of what the crop shows. rotation: degrees.
    Shift, scale and rotation are normally distributed, cut off at the ends of their ranges. hole:
    the sides of a black rectangle, by those of the input.
    """

    flip: float = 0.5
    half_body: float = 0.3
    shift: float = 0.16
    shift_probability: float = 0.3
    scale: tuple[float, float] = (0.5, 1.5)
    rotation: float = 80.0
    rotation_probability: float = 0.6
    colours: bool = True
    blur: float = 0.1
    median: float = 0.1
    hole: tuple[float, float] = (0.2, 0.4)
    hole_probability: float = 1.0


@dataclass(frozen=True, eq=False)
class PoseInput:
    """image (H, W, 3) uint8; keypoints (K, 2) float32 in its pixels; visible (K,) float32, 0 or 1.

    A keypoint may lie outside. centre, scale (2,) float32: of the crop in the photo, with which
    `model.sapiens.crops.to_photo` leads back where nothing was turned or mirrored.
    """

    image: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    visible: NDArray[np.float32]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]


def pose_input(
    sample: PoseSample,
    vocabulary: KeypointVocabulary,
    size: tuple[int, int],
    rng: np.random.Generator | None = None,
    augmentation: PoseAugmentation | None = None,
) -> PoseInput:
    """The crop of a person at `size` (width, height); augmented where a generator is given."""
    aspect = size[0] / size[1]
    points_K2, labelled_K = sample.keypoints[:, :2], sample.keypoints[:, 2] > 0
    box, padding, rotation, is_flipped = sample.box, PADDING, 0.0, False
    settings = augmentation or PoseAugmentation()
    if rng is not None and rng.random() < settings.half_body:
        box, padding = _half(points_K2, labelled_K, vocabulary, rng) or (box, padding)
    (centre,), (scale,) = centre_and_scale(box[None], aspect, padding)
    if rng is not None:
        shift, factor, turn = _truncated(rng, 2), _truncated(rng, 1)[0], _truncated(rng, 1)[0]
        if rng.random() < settings.shift_probability:
            centre = centre + (shift * settings.shift * scale).astype(np.float32)
        low, high = settings.scale
        scale = scale * np.float32((low + high) / 2 + factor * (high - low) / 2)
        if rng.random() < settings.rotation_probability:
            rotation = turn * settings.rotation
        is_flipped = bool(rng.random() < settings.flip)
    matrix = crop_matrix(centre, scale, rotation, size)
    image, placed_K2 = warped(sample.image, matrix, size), moved(points_K2, matrix)
    if is_flipped:
        image, labelled_K = image[:, ::-1], labelled_K[vocabulary.flip]
        placed_K2 = (size[0] - 1, 0) + placed_K2[vocabulary.flip] * (-1, 1)
    if rng is not None:
        image = _recoloured(np.ascontiguousarray(image), rng, settings)
    placed_K2 = np.where(labelled_K[:, None], placed_K2, 0)
    return PoseInput(
        image=image,
        keypoints=placed_K2.astype(np.float32),
        visible=labelled_K.astype(np.float32),
        centre=centre,
        scale=scale,
    )


def _half(
    points_K2: NDArray[np.float32],
    labelled_K: NDArray[np.bool_],
    vocabulary: KeypointVocabulary,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], float] | None:
    """A box around the mean of half of the labelled points; None where they are too few."""
    if labelled_K.sum() < _POINTS:
        return None
    halves = [points_K2[labelled_K & side] for side in (vocabulary.upper, ~vocabulary.upper)]
    fitting = [half for half, least in zip(halves, _IN_HALF, strict=True) if len(half) >= least]
    if not fitting:
        return None
    chosen = fitting[0] if len(fitting) == 1 or rng.random() < _UPPER else fitting[1]
    middle, reach = chosen.mean(0), np.maximum(np.ptp(chosen, axis=0), 1) / 2
    return np.concatenate([middle - reach, middle + reach]).astype(np.float32), _HALF_PADDING


def _recoloured(
    image: NDArray[np.uint8], rng: np.random.Generator, settings: PoseAugmentation
) -> NDArray[np.uint8]:
    if settings.colours:
        image = distorted(image, rng)
    if rng.random() < settings.blur:
        image = blurred(image, rng)
    if rng.random() < settings.median:
        image = median_filtered(image, rng)
    if rng.random() < settings.hole_probability:
        image = with_hole(image, rng, settings.hole)
    return image


def _truncated(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Standard normal numbers between -1 and 1."""
    values = rng.normal(size=count)
    while (outside := np.abs(values) > 1).any():
        values[outside] = rng.normal(size=int(outside.sum()))
    return values
