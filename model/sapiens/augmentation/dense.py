"""Pictures with masks, depth or normals as inputs of a network.

Without a generator the whole photo is squeezed to the input's size, as at inference; with one it is
placed at random and augmented. Sizes are (width, height).

Shape suffixes: H W sides of a picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.sapiens.augmentation.colours import distorted, random_background
from model.sapiens.augmentation.placing import chained, nearest, random_place, squeezed
from model.sapiens.crops import warped, warped_map
from model.sapiens.data import DepthSample, NormalSample, PartSample
from model.sapiens.vocabulary import PartVocabulary
from model.sapiens.vocabulary.parts import IGNORED

#: What lies outside of a photo: about the mean colour, which the network sees as 0.
_FILL = (124, 116, 104)
_NOTHING = -1.0
#: Places are judged on a map whose longer side is this.
_SKETCH = 64
#: Of an input, that a person has to cover for a place to do.
_LEAST_PERSON = 0.01


@dataclass(frozen=True)
class DenseAugmentation:
    """Probabilities, and ranges.

    background: that everything but the person is replaced. scale: factors, 1 where the whole photo
    just fits. rotation: degrees, either way. most_of_a_class: another place is tried where one
    class takes a larger share (of segmentation).
    """

    background: float
    rotation: float
    rotation_probability: float = 0.5
    scale: tuple[float, float] = (0.2, 2.0)
    most_of_a_class: float = 0.75
    flip: float = 0.5
    colours: bool = True


#: Those of the paper's authors; for the 20 classes they scale by 0.75 to 1.25 alone.
PART_AUGMENTATION = DenseAugmentation(background=0.8, rotation=45)
DEPTH_AUGMENTATION = DenseAugmentation(background=0.5, rotation=60)
#: Turning a picture would turn its normals too.
NORMAL_AUGMENTATION = DenseAugmentation(background=0.5, rotation=0)


@dataclass(frozen=True, eq=False)
class PartInput:
    """image (H, W, 3) uint8; label (H, W) uint8: classes, 255 where it does not count."""

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class DepthInput:
    """image (H, W, 3) uint8; target (H, W) float32: 0 near, 1 far, -1 outside of the person."""

    image: NDArray[np.uint8]
    target: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NormalInput:
    """image (H, W, 3) uint8; normals (H, W, 3) float32, 0 outside of mask (H, W) bool."""

    image: NDArray[np.uint8]
    normals: NDArray[np.float32]
    mask: NDArray[np.bool_]


def part_input(
    sample: PartSample,
    vocabulary: PartVocabulary,
    size: tuple[int, int],
    rng: np.random.Generator | None = None,
    augmentation: DenseAugmentation = PART_AUGMENTATION,
) -> PartInput:
    """A picture with its classes; left and right change places where it is mirrored."""
    if rng is None:
        return PartInput(squeezed(sample.image, size), nearest(sample.label, size))

    def is_good(place: NDArray[np.float64]) -> bool:
        sketch = _sketched(sample.label, place, size, IGNORED).astype(np.uint8)
        counts = np.bincount(sketch.ravel(), minlength=IGNORED + 1)[:IGNORED]
        return bool(0 < counts.max() < augmentation.most_of_a_class * counts.sum())

    place = _placed(rng, sample.image, size, augmentation, is_good)
    label: NDArray[np.uint8] = warped_map(sample.label, place, size, IGNORED).astype(np.uint8)
    image = _shown(rng, sample.image, place, size, augmentation, label > 0)
    if rng.random() < augmentation.flip:
        image, label = image[:, ::-1], vocabulary.flip[label[:, ::-1]]
    return PartInput(np.ascontiguousarray(image), label)


def depth_input(
    sample: DepthSample,
    size: tuple[int, int],
    rng: np.random.Generator | None = None,
    augmentation: DenseAugmentation = DEPTH_AUGMENTATION,
) -> DepthInput:
    """A picture with the depth of the part of the person that it shows."""
    if rng is None:
        depth, mask = nearest(sample.depth, size), nearest(sample.mask, size)
        target = depth_target(depth.astype(np.float32), mask.astype(bool))
        return DepthInput(squeezed(sample.image, size), target)
    place, mask = _around(rng, sample.image, sample.mask, size, augmentation)
    image = _shown(rng, sample.image, place, size, augmentation, mask)
    target = depth_target(warped_map(sample.depth, place, size), mask)
    if rng.random() < augmentation.flip:
        image, target = image[:, ::-1], target[:, ::-1]
    return DepthInput(np.ascontiguousarray(image), np.ascontiguousarray(target))


def depth_target(depth: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(d - min) / (max - min) over the mask, (H, W) float32: 0 near, 1 far, -1 outside.

    A constant depth has no range and stays as it is, as in the authors' code.
    """
    target = np.full(depth.shape, _NOTHING, np.float32)
    if mask.any():
        inside = depth[mask].astype(np.float32)
        low, high = inside.min(), inside.max()
        target[mask] = (inside - low) / (high - low) if high > low else inside
    return target


def normal_input(
    sample: NormalSample,
    size: tuple[int, int],
    rng: np.random.Generator | None = None,
    augmentation: DenseAugmentation = NORMAL_AUGMENTATION,
) -> NormalInput:
    """A picture with its normals; X changes its sign where it is mirrored.

    Raises ValueError for an augmentation that turns: normals would have to turn too.
    """
    if augmentation.rotation:
        raise ValueError("pictures with normals are not turned")
    if rng is None:
        normals = nearest(sample.normals, size).astype(np.float32)
        mask = nearest(sample.mask, size).astype(bool)
        return NormalInput(squeezed(sample.image, size), normals, mask)
    place, mask = _around(rng, sample.image, sample.mask, size, augmentation)
    image = _shown(rng, sample.image, place, size, augmentation, mask)
    layers = [warped_map(sample.normals[..., axis], place, size) for axis in range(3)]
    normals = np.where(mask[..., None], np.stack(layers, -1), np.float32(0))
    if rng.random() < augmentation.flip:
        image, mask = image[:, ::-1], mask[:, ::-1]
        normals = normals[:, ::-1] * np.array((-1, 1, 1), np.float32)
    return NormalInput(np.ascontiguousarray(image), normals, np.ascontiguousarray(mask))


def _around(
    rng: np.random.Generator,
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    size: tuple[int, int],
    settings: DenseAugmentation,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A place that shows some of the person, and the mask there."""
    rows, columns = np.nonzero(mask)
    chosen = int(rng.integers(len(rows)))
    person = (float(columns[chosen]), float(rows[chosen]))

    def is_good(place: NDArray[np.float64]) -> bool:
        return bool(_sketched(mask, place, size, 0).mean() >= _LEAST_PERSON)

    place = _placed(rng, image, size, settings, is_good, person)
    return place, warped_map(mask.astype(np.uint8), place, size) > 0


def _placed(
    rng: np.random.Generator,
    image: NDArray[np.uint8],
    size: tuple[int, int],
    settings: DenseAugmentation,
    is_good: Callable[[NDArray[np.float64]], bool],
    fallback: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    is_turned = rng.random() < settings.rotation_probability
    rotation = rng.uniform(-settings.rotation, settings.rotation) if is_turned else 0.0
    photo = (image.shape[1], image.shape[0])
    return random_place(rng, photo, size, settings.scale, rotation, is_good, fallback)


def _sketched(
    values: NDArray[Any], place: NDArray[np.float64], size: tuple[int, int], fill: float
) -> NDArray[np.float32]:
    """A small version of what an input would show of a map."""
    ratio = min(1.0, _SKETCH / max(size))
    small = (max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio)))
    shrink = np.array([[small[0] / size[0], 0, 0], [0, small[1] / size[1], 0]])
    return warped_map(values.astype(np.uint8), chained(place, shrink), small, fill)


def _shown(
    rng: np.random.Generator,
    image: NDArray[np.uint8],
    place: NDArray[np.float64],
    size: tuple[int, int],
    settings: DenseAugmentation,
    kept: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """What an input shows of a photo, with another background than what is kept, recoloured."""
    shown = warped(image, place, size, _FILL)
    if rng.random() < settings.background:
        shown = np.where(kept[..., None], shown, random_background(rng, size))
    return distorted(shown, rng) if settings.colours else shown
