"""Capsules seen by a pinhole camera: depth and normals of every pixel, in closed form.

Geometry is in the camera's frame: x to the right, y down, z away from the camera, its centre at 0.
Normals that leave this file have other axes, those of the data sets: X to the right, Y up, Z to the
viewer.

Shape suffixes: N capsules, H W sides of the picture, P pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: From the axes of geometry to those of stored normals.
TO_STORED = np.array([1.0, -1.0, -1.0])


@dataclass(frozen=True, eq=False)
class Capsules:
    """All points within radii (N,) of the segments from starts (N, 3) to ends (N, 3).

    A capsule of length 0 is a sphere.
    """

    starts: np.ndarray
    ends: np.ndarray
    radii: np.ndarray

    def mirrored(self) -> Capsules:
        """Left and right changed, about x = 0."""
        flip = np.array([-1.0, 1, 1])
        return Capsules(self.starts * flip, self.ends * flip, self.radii)


@dataclass(frozen=True)
class PinholeCamera:
    """size: width and height px; focal: px; the optical axis meets the middle of the picture."""

    size: tuple[int, int]
    focal: float

    def rays(self) -> np.ndarray:
        """Of pixels' centres, (H, W, 3), with z = 1: the point at depth t is t times the ray."""
        width, height = self.size
        x = (np.arange(width) - (width - 1) / 2) / self.focal
        y = (np.arange(height) - (height - 1) / 2) / self.focal
        rays = np.ones((height, width, 3))
        rays[..., 0], rays[..., 1] = x, y[:, None]
        return rays


@dataclass(frozen=True, eq=False)
class Sight:
    """What a camera sees.

    depth (H, W): z of the nearest surface, infinite where there is none. normals (H, W, 3): outward
    and of length 1, in the stored axes, 0 where there is none. capsule (H, W): which one, or -1.
    """

    depth: np.ndarray
    normals: np.ndarray
    capsule: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        return self.capsule >= 0


def look(capsules: Capsules, camera: PinholeCamera) -> Sight:
    """Cast a ray through the centre of every pixel. The camera must be outside of the capsules."""
    rays = camera.rays()
    depth = np.full(rays.shape[:2], np.inf)
    capsule = np.full(rays.shape[:2], -1)
    parts = zip(capsules.starts, capsules.ends, capsules.radii, strict=True)
    for index, (start, end, radius) in enumerate(parts):
        where = _region(start, end, radius, camera)
        hit = _entry(rays[where].reshape(-1, 3), start, end, radius).reshape(rays[where].shape[:2])
        nearer = hit < depth[where]
        depth[where] = np.where(nearer, hit, depth[where])
        capsule[where] = np.where(nearer, index, capsule[where])
    seen = capsule >= 0
    normals = np.zeros_like(rays)
    chosen = capsule[seen]
    points = rays[seen] * depth[seen][:, None]
    starts, ends = capsules.starts[chosen], capsules.ends[chosen]
    away = points - nearest_on_segments(points, starts, ends)
    normals[seen] = away / np.linalg.norm(away, axis=1, keepdims=True) * TO_STORED
    return Sight(depth, normals, capsule)


def nearest_on_segments(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """For each point (P, 3) the nearest one of its segment, starts (P, 3) to ends (P, 3)."""
    along = ends - starts
    length = (along**2).sum(1)
    share = ((points - starts) * along).sum(1) / np.where(length == 0, 1, length)
    return np.asarray(starts + np.clip(share, 0, 1)[:, None] * along)


def _entry(rays_P3: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """Depth (P,) at which rays from 0 enter a capsule; infinite for those that miss it.

    A capsule is a tube and two balls: the first entry into one of them is the capsule's.
    """
    first_P: np.ndarray = np.minimum(
        _enter_ball(rays_P3, start, radius), _enter_ball(rays_P3, end, radius)
    )
    length = np.linalg.norm(end - start)
    if length == 0:
        return first_P
    axis = (end - start) / length
    across_P3 = rays_P3 - (rays_P3 @ axis)[:, None] * axis
    aside = start - (start @ axis) * axis
    entry_P = _root((across_P3**2).sum(1), across_P3 @ aside, aside @ aside - radius**2)
    with np.errstate(invalid="ignore"):  # infinity times 0 beside the tube
        place_P = (rays_P3 @ axis) * entry_P - start @ axis
        on_tube_P = (place_P >= 0) & (place_P <= length)
    return np.asarray(np.where(on_tube_P, np.minimum(first_P, entry_P), first_P))


def _enter_ball(rays_P3: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    return _root((rays_P3**2).sum(1), rays_P3 @ centre, centre @ centre - radius**2)


def _root(square_P: np.ndarray, half_P: np.ndarray, rest: float) -> np.ndarray:
    """The smaller t with square t² - 2 half t + rest = 0; infinite where there is none above 0."""
    inside_P = half_P**2 - square_P * rest
    with np.errstate(divide="ignore", invalid="ignore"):
        root_P = (half_P - np.sqrt(np.maximum(inside_P, 0))) / square_P
    return np.asarray(np.where((inside_P >= 0) & (root_P > 0), root_P, np.inf))


def _region(
    start: np.ndarray, end: np.ndarray, radius: float, camera: PinholeCamera
) -> tuple[slice, slice]:
    """Rows and columns of a rectangle that holds all pixels which may show a capsule."""
    width, height = camera.size
    ends = np.stack([start, end])
    near, far = ends[:, 2] - radius, ends[:, 2] + radius
    if near.min() <= 0:
        return slice(0, height), slice(0, width)
    low, high = (
        np.stack([(ends[:, :2] + sign * radius) / depth[:, None] for depth in (near, far)])
        for sign in (-1, 1)
    )
    middle = (np.array(camera.size) - 1) / 2
    first = np.floor(low.min((0, 1)) * camera.focal + middle).astype(int)
    last = np.ceil(high.max((0, 1)) * camera.focal + middle).astype(int) + 1
    first, last = (np.clip(corner, 0, camera.size) for corner in (first, last))
    return slice(int(first[1]), int(last[1])), slice(int(first[0]), int(last[0]))
