"""Pictures with depth or normals of people: `images/`, `masks/`, and `depth/` or `normals/`.

A mask is a PNG file whose pixels are not 0 where the person is; maps are .npz or .exr files.
Normals are in the camera's space: X runs to the image's right. Which way Y and Z run is the data's
own convention, and what is trained on it predicts the same; the demo's run up and to the viewer.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.sapiens.data.files import read_classes, read_picture, refuse, same_size
from model.sapiens.data.float_maps import is_exr, read_map
from model.sapiens.data.paired_files import MAP_SUFFIXES, MASK_SUFFIXES, paired_files
from model.sapiens.data.part_data import MASKS

DEPTH, NORMALS = "depth", "normals"
#: How far the typical length of normals may be from 1.
_OFF_UNIT = 0.05
_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class DepthSample:
    """image (H, W, 3) uint8 RGB; depth (H, W) float32, larger is farther, in any unit.

    mask (H, W) bool: the person, at least one pixel; elsewhere depth is 0.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    mask: NDArray[np.bool_]
    name: str


@dataclass(frozen=True, eq=False)
class NormalSample:
    """image (H, W, 3) uint8 RGB; normals (H, W, 3) float32, of length 1 in the mask.

    mask (H, W) bool: the person, at least one pixel; elsewhere normals are 0.
    """

    image: NDArray[np.uint8]
    normals: NDArray[np.float32]
    mask: NDArray[np.bool_]
    name: str


class _SurfaceFiles:
    """Pictures with masks and maps of one kind; files are listed once, decoded when asked for."""

    def __init__(self, folder: Path, maps: str) -> None:
        self._files, self.digest = paired_files(folder, {MASKS: MASK_SUFFIXES, maps: MAP_SUFFIXES})
        if any(is_exr(files.paths[2]) for files in self._files):
            import OpenEXR  # noqa: F401  # a missing library is told before a run begins

    def __len__(self) -> int:
        return len(self._files)

    def read(
        self, index: int, channels: tuple[int, ...], names: tuple[str, ...]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_], Path]:
        """Picture, map (finite in the mask, 0 elsewhere), mask, and where the map is from."""
        picture, mask_path, map_path = self._files[index].paths
        image = read_picture(picture)
        mask = read_classes(mask_path) > 0
        same_size(mask_path, mask, picture, image)
        if not mask.any():
            refuse(mask_path, "marks no pixel as a person; take the picture away")
        values = read_map(map_path, (*image.shape[:2], *channels), names)
        wrong = ~np.isfinite(values[mask]).reshape(int(mask.sum()), -1).all(-1)
        if wrong.any():
            refuse(map_path, f"is NaN or infinite at {int(wrong.sum()):,} pixels of the person")
        values[~mask] = 0
        return image, values, mask, map_path

    def name(self, index: int) -> str:
        return self._files[index].name


class DepthData:
    """The pictures of a folder with their depth, as DepthSample by index.

    Files are listed once and decoded when they are asked for. digest: of names and sizes.
    """

    def __init__(self, folder: Path) -> None:
        """folder: with `images/`, `depth/` and `masks/`. Raises WebbodyError as `paired_files`."""
        self._source = _SurfaceFiles(folder, DEPTH)
        self.digest = self._source.digest

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> DepthSample:
        """A picture; WebbodyError for files that cannot be used: see the module."""
        image, depth, mask, _ = self._source.read(index, (), ("depth",))
        return DepthSample(image, depth, mask, self._source.name(index))


class NormalData:
    """The pictures of a folder with their normals, as NormalSample by index.

    Files are listed once and decoded when they are asked for. digest: of names and sizes.
    """

    def __init__(self, folder: Path) -> None:
        """folder: with `images/`, `normals/` and `masks/`. Raises WebbodyError as the others."""
        self._source = _SurfaceFiles(folder, NORMALS)
        self.digest = self._source.digest

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> NormalSample:
        """A picture; WebbodyError for files that cannot be used: see the module."""
        image, normals, mask, path = self._source.read(index, (3,), ("normals", "normal"))
        lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
        if (lengths[mask] < _LEAST).any() or abs(np.median(lengths[mask]) - 1) > _OFF_UNIT:
            refuse(
                path,
                "does not hold vectors of length 1 where the person is; store x, y and z between "
                "-1 and 1",
            )
        normals[mask] /= lengths[mask]
        return NormalSample(image, normals, mask, self._source.name(index))
