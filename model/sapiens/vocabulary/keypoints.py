"""The keypoint vocabularies of Sapiens: 17 (COCO), 133 (COCO-WholeBody) and 308 points."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.sapiens.vocabulary.names import COCO17, WHOLEBODY133, mirrored
from webbody.errors import WebbodyError
from webbody.skeleton import from_coco17, from_sapiens308, from_wholebody133

T = TypeVar("T", bound=np.generic)

_TO_SKELETON: dict[int, Callable[[ArrayLike], NDArray[np.float32]]] = {
    17: from_coco17,
    133: from_wholebody133,
    308: from_sapiens308,
}
#: Numbers of points that there is a vocabulary for.
KNOWN = tuple(_TO_SKELETON)

# OKS sigmas in thousandths, in the order of COCO-WholeBody's points; the first 17 are COCO's.
_SIGMAS = (
    26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89, 68, 66, 66, 92, 94, 94,
    42, 43, 44, 43, 40, 35, 31, 25, 20, 23, 29, 32, 37, 38, 43, 41, 45, 13, 12, 11, 11, 12, 12, 11,
    11, 13, 15, 9, 7, 7, 7, 12, 9, 8, 16, 10, 17, 11, 9, 11, 9, 7, 13, 8, 11, 12, 10, 34, 8, 8, 9,
    8, 8, 7, 10, 8, 9, 9, 9, 7, 7, 8, 11, 8, 8, 8, 10, 8,
    *(29, 22, 35, 37, 47, 26, 25, 24, 35, 18, 24, 22, 26, 17, 21, 21, 32, 20, 19, 22, 31) * 2,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class KeypointVocabulary:
    """K keypoints; left and right are the subject's.

    names: (K,). flip (K,) int64: where each point lands when the picture is mirrored. sigmas (K,)
    float32: of the object keypoint similarity, in the precision in which the published metric has
    them. groups: indices by name; "body", "foot", "face", "left_hand", "right_hand", "hands" (both)
    and "shared" (see `shared_points`) as far as the vocabulary has them, and "whole_body", which
    is all K. upper (K,) bool: above the hips, the half that half-body crops keep or drop.
    """

    names: tuple[str, ...]
    flip: NDArray[np.int64]
    sigmas: NDArray[np.float32]
    groups: Mapping[str, NDArray[np.int64]]
    upper: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.names)

    def to_skeleton(self, points: ArrayLike) -> NDArray[np.float32]:
        """Our 19 points (..., 19, 3) of points (..., K, 3): x, y, visibility or score.

        Of COCO's 17 the mouth corners are absent.
        """
        return _TO_SKELETON[len(self)](points)


@cache
def keypoint_vocabulary(points: int) -> KeypointVocabulary:
    """The vocabulary of 17, 133 or 308 points; WebbodyError for another number."""
    if points == 308:
        return _sapiens308()
    if points not in KNOWN:
        known = f"{', '.join(map(str, KNOWN[:-1]))} and {KNOWN[-1]}"
        raise WebbodyError(
            f"There is no vocabulary of {points} keypoints: known are those of {known} points."
        )
    names = WHOLEBODY133[:points]
    places = {"body": (0, 17), "foot": (17, 23), "face": (23, 91), "left_hand": (91, 112),
              "right_hand": (112, 133)}  # fmt: skip
    groups = {name: np.arange(*place) for name, place in places.items() if place[1] <= points}
    if points == 133:
        groups["shared"] = np.sort(shared_points()[1])
    sigmas = np.array(_SIGMAS[:points]) / 1000
    return _vocabulary(names, mirrored(names), sigmas, groups)


@cache
def shared_points() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (53,) of the points that 308 and 133 share by name: in the 308, and in the 133.

    17 of the body, 6 of the feet and 30 of the hands. The paper compares on 114; the other 61, of
    the face, are unpublished.
    """
    rows = [row for row in _table() if row["coco_wholebody133_index"]]
    return (
        _fixed(np.array([int(row["index"]) for row in rows])),
        _fixed(np.array([int(row["coco_wholebody133_index"]) for row in rows])),
    )


@cache
def coco17_in_308() -> NDArray[np.int64]:
    """For each of COCO's 17 points its index (17,) in the 308."""
    names = [row["name"] for row in _table()]
    return _fixed(np.array([names.index(name) for name in COCO17]))


def _sapiens308() -> KeypointVocabulary:
    rows = _table()
    groups = {
        group: np.array([at for at, row in enumerate(rows) if row["group"] == group])
        for group in ("body", "foot", "face", "left_hand", "right_hand")
    }
    groups["shared"] = shared_points()[0].copy()
    return _vocabulary(
        tuple(row["name"] for row in rows),
        np.array([int(row["flip_index"]) for row in rows]),
        np.array([float(row["sigma"]) for row in rows]),
        groups,
    )


def _vocabulary(
    names: tuple[str, ...],
    flip: NDArray[np.int64],
    sigmas: NDArray[np.float64],
    groups: dict[str, NDArray[np.int64]],
) -> KeypointVocabulary:
    if "left_hand" in groups:
        groups["hands"] = np.sort(np.concatenate([groups["left_hand"], groups["right_hand"]]))
    groups["whole_body"] = np.arange(len(names))
    upper = np.array([not _below(name) for name in names])
    fixed = {name: _fixed(indices) for name, indices in groups.items()}
    return KeypointVocabulary(
        names, _fixed(flip), _fixed(sigmas.astype(np.float32)), fixed, _fixed(upper)
    )


def _below(name: str) -> bool:
    """Whether a point is of the hips, legs or feet."""
    return name.partition("_")[2] in ("hip", "knee", "ankle", "big_toe", "small_toe", "heel")


@cache
def _table() -> list[dict[str, str]]:
    """Rows of the 308 points, from the names in the authors' public repository."""
    text = (files("model.sapiens.vocabulary") / "keypoints308.tsv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def _fixed(array: NDArray[T]) -> NDArray[T]:
    array.setflags(write=False)
    return array
