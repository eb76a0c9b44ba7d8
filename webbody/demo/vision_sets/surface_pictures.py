"""Pictures of people made of capsules: framed, lit and clothed at random, with exact truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from webbody.demo.drawing.background import draw_background
from webbody.demo.drawing.camera import develop
from webbody.demo.vision_sets.capsule_body import CapsulePerson, capsule_person
from webbody.demo.vision_sets.capsules import TO_STORED, Capsules, PinholeCamera, Sight, look

_HEAD_M = 0.23  # metres of a head's height, the unit of poses
#: What pictures show: from and to which height (in heads, 0 in the middle of the head), how often.
_FRAMES = ((-0.6, None), (-0.6, 3.2), (-0.65, 0.9))
_CHANCES = (0.5, 0.3, 0.2)


@dataclass(frozen=True, eq=False)
class SurfacePicture:
    """image (H, W, 3) uint8 BGR; sight: its truth, depth in metres."""

    image: np.ndarray
    sight: Sight


def surface_picture(rng: np.random.Generator, size: tuple[int, int]) -> SurfacePicture:
    """A picture of one person of `size` (width, height) px: full figure, upper body or face."""
    person = capsule_person(rng)
    capsules, camera = _seen(rng, person, size)
    sight = look(capsules, camera)
    if not sight.mask.any():
        return surface_picture(rng, size)
    image = draw_background(rng, *size)
    image[sight.mask] = _shaded(rng, person, camera, sight)
    return SurfacePicture(develop(rng, image), sight)


def _seen(
    rng: np.random.Generator, person: CapsulePerson, size: tuple[int, int]
) -> tuple[Capsules, PinholeCamera]:
    """The person in the frame of a camera that shows some part of it, in metres."""
    top, bottom = _FRAMES[int(rng.choice(len(_FRAMES), p=_CHANCES))]
    low = person.feet + 0.1 if bottom is None else bottom
    extent = (low - top) * _HEAD_M
    yaw = rng.uniform(-np.pi, np.pi) if rng.random() < 0.5 else rng.normal(0, 0.4)
    pitch, roll = rng.normal(0, 0.12), rng.normal(0, 0.06)
    distance = extent * rng.uniform(1.3, 3) + 0.6
    focal = size[1] * rng.uniform(0.75, 0.95) * distance / extent
    # The subject's frame is left-handed: who faces the camera looks against its z.
    facing = np.diag([1.0, 1, -1])
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    rotation = tilt @ nod @ turn @ facing
    middle = np.array([0, (top + low) / 2, 0])
    aside = rng.normal(0, 0.06, 2) * extent
    place = np.array([aside[0], aside[1] * 0.5, distance])

    def moved(points: np.ndarray) -> np.ndarray:
        return np.asarray((points - middle) @ rotation.T * _HEAD_M + place)

    capsules = person.capsules
    return (
        Capsules(moved(capsules.starts), moved(capsules.ends), capsules.radii * _HEAD_M),
        PinholeCamera(size, focal),
    )


def _shaded(
    rng: np.random.Generator, person: CapsulePerson, camera: PinholeCamera, sight: Sight
) -> np.ndarray:
    """Colours (P, 3) uint8 BGR of the pixels that show the person, under one light and a sky."""
    seen, chosen = sight.mask, sight.capsule[sight.mask]
    normals = sight.normals[seen]
    light = rng.normal(0, 1, 3)
    light[2] = abs(light[2]) + 0.5
    light /= np.linalg.norm(light)
    ambient = rng.uniform(0.35, 0.65)
    bright = ambient + (1 - ambient) * np.maximum(normals @ light, 0) + 0.1 * normals[:, 1]
    colours = person.colours[chosen].copy()
    points = camera.rays()[seen] * sight.depth[seen][:, None] * TO_STORED
    period, edge = rng.uniform(0.05, 0.15), rng.uniform(0.3, 0.7)
    direction = rng.normal(0, 1, 3)
    striped = (points @ (direction / np.linalg.norm(direction)) / period) % 1 < edge
    trim = rng.uniform(20, 235, 3)
    colours[person.is_patterned[chosen] & striped] = trim
    return np.asarray(np.clip(colours * bright[:, None], 0, 255).astype(np.uint8))
