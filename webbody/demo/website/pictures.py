"""The photos of the synthetic web: a scene of the plan becomes a picture with its truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import DrawnPerson, Photo, photo

#: Head heights of the named person as shares of the smaller side of the photo.
HEADS = {"close-up": (0.36, 0.5), "half": (0.17, 0.32), "full": (0.085, 0.12), "group": (0.1, 0.3)}
_SHORT_SIDES = (480, 520, 560, 600, 640)
_RATIOS = (1.0, 1.2, 4 / 3, 1.4)
_SHOWS_FACE = 0.93
_TRIES = 25
#: A face that can be recognised: longer side of its box in px, visible share.
FACE_SIDE, FACE_VISIBLE = 20, 0.5
#: A figure that can be found: visible share of its box, shorter side in px.
FIGURE_VISIBLE, FIGURE_SIDE = 0.25, 32


def draw(rng: np.random.Generator, scene: str, people: Sequence[int], world: str) -> Photo:
    """Draw a scene of the plan with these identities; each has new clothes.

    world "default" keeps its promises (every figure can be found, every face is recognisable or
    turned away); "stress" is whatever comes, with up to three more people.
    """
    if world not in ("default", "stress"):
        raise ValueError(f"unknown world {world!r}: choose 'default' or 'stress'")
    size = _size(rng)
    if world == "stress":
        extra = rng.integers(1 << 31, size=int(rng.integers(0, 4)) if people else 0)
        everybody = [Identity.sample(int(seed)) for seed in (*people, *extra)]
        return photo(rng, everybody, size, heads=(0.03, 0.85), occluders=0.7)
    identities = [Identity.sample(seed) for seed in people]
    heads = HEADS.get(scene)
    if heads is None:  # any size, alike for all people of the scene
        heads = (
            HEADS["half"]
            if len(people) > 1
            else HEADS[str(rng.choice(["close-up", "half", "full"]))]
        )
    for attempt in range(_TRIES):
        # In the end whoever stands in the way is left out; the first is the one who matters.
        shown = identities if attempt < _TRIES - 5 else identities[:1]
        taken = photo(rng, shown, size, heads=heads, occluders=0.15, frontal=_SHOWS_FACE)
        if all(_clear(figure) for figure in taken.figures):
            break
    return taken


def can_be_found(figure: DrawnPerson) -> bool:
    """Whether a person detector should report the figure."""
    sides = figure.box[2:] - figure.box[:2]
    return bool(figure.visible >= FIGURE_VISIBLE and sides.min() >= FIGURE_SIDE)


def can_be_recognised(figure: DrawnPerson) -> bool:
    """Whether the figure shows a face that is large and free enough to tell who it is."""
    if figure.face is None:
        return False
    side = (figure.face.box[2:] - figure.face.box[:2]).max()
    return bool(side >= FACE_SIDE and figure.face.visible >= FACE_VISIBLE)


def _clear(figure: DrawnPerson) -> bool:
    if not can_be_found(figure):
        return False
    return figure.face is None or can_be_recognised(figure)


def _size(rng: np.random.Generator) -> tuple[int, int]:
    """Width and height, portrait or landscape."""
    short = int(rng.choice(_SHORT_SIDES))
    long = round(short * float(rng.choice(_RATIOS)))
    return (short, long) if rng.random() < 0.5 else (long, short)


def changed(
    figure: DrawnPerson, scale: float, corner: tuple[int, int], size: tuple[int, int]
) -> DrawnPerson:
    """The figure in a near duplicate of `size` (width, height): points (p - corner) * scale."""
    shift = np.array(corner, float)
    limits = np.array([*size, *size], float)

    def box(old: np.ndarray) -> np.ndarray:
        moved: np.ndarray = (old - np.tile(shift, 2)) * scale
        return moved

    points = figure.keypoints.copy()
    points[:, :2] = (points[:, :2] - shift) * scale
    inside = ((points[:, :2] >= 0) & (points[:, :2] < limits[:2])).all(1)
    points[:, 2] *= inside
    face = figure.face
    if face is not None:
        face = type(face)(box(face.box), (face.landmarks - shift) * scale, face.visible)
    seen = figure.visible_box
    return DrawnPerson(
        identity=figure.identity,
        box=np.clip(box(figure.box), 0, limits),
        visible_box=None if seen is None else np.clip(box(seen), 0, limits),
        visible=figure.visible,
        keypoints=points,
        face=face,
        head=figure.head * scale,
        yaw=figure.yaw,
    )
