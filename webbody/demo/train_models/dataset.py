"""Photos of the synthetic web as training and held-out examples."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from webbody.demo.drawing.scene import DrawnPerson, Photo, crowd

# Photos of the demo are mostly square, and otherwise of the usual formats of cameras and screens.
_SIZES = ((640, 640), (640, 640), (640, 640), (640, 480), (480, 640), (640, 427), (427, 640))
_STRESS_SHARE = 0.25


def photo_rng(lane: str, split: str, index: int) -> np.random.Generator:
    """The generator that belongs to one example: examples can be drawn in any order and number."""
    return np.random.default_rng((crc32(lane.encode()), crc32(split.encode()), index))


def training_photo(rng: np.random.Generator) -> Photo:
    """A photo of the training mix: mostly the default world, some of the stress world."""
    world = "stress" if rng.random() < _STRESS_SHARE else "default"
    return crowd(rng, world, _SIZES[rng.integers(len(_SIZES))])


def held_out_photo(world: str, index: int) -> Photo:
    """A photo that no training sees, of strangers. world: 'default' or 'stress'."""
    return crowd(photo_rng(world, "held-out", index), world)


def is_person(figure: DrawnPerson) -> bool:
    """Whether a detector should report the figure: large enough, and enough of it in sight."""
    width, height = figure.box[2:] - figure.box[:2]
    return bool(width * height >= 400 and min(width, height) >= 12 and figure.visible >= 0.12)


def upper_body(rng: np.random.Generator, figure: DrawnPerson, size: tuple[int, int]) -> np.ndarray:
    """Box (4,) int xyxy px around head and shoulders, as loose as a detector's keypoints make it.

    The head takes 15 to 60 percent of the box's height. size: the photo's width and height.
    """
    head = figure.head
    face = figure.keypoints[:7, :2].mean(0)
    height = head / rng.uniform(0.15, 0.6)
    width = height * rng.uniform(0.75, 1.4)
    centre = face + rng.normal(0, 0.12, 2) * head
    # The head lies in the upper part of the crop, the shoulders in the lower.
    top = centre[1] - rng.uniform(0.35, 0.55) * height
    box = np.array([centre[0] - width / 2, top, centre[0] + width / 2, top + height])
    return np.clip(np.round(box), 0, [*size, *size]).astype(int)
