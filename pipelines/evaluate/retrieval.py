"""Data sets whose queries are searched in a gallery.

Shape suffixes: N images of a data set, M those that have a feature, F feature size.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.evaluation.clips import frames_of_clips
from model.evaluation.errors import EvaluationError
from model.evaluation.images import Images
from model.evaluation.pooling import pool_tracks
from model.evaluation.ranking import Ranking, evaluate
from model.evaluation.readers.datasets import DATASETS
from model.evaluation.readers.image_table import root_of
from model.features.resumable import Part
from pipelines.evaluate.features import Held
from pipelines.evaluate.figure import Curve, Figure
from pipelines.evaluate.parts import Finder, of_folder, of_shards
from pipelines.evaluate.ranked import chosen, rank

RANKS = (1, 5, 10, 20)
_CURVE = 50
#: Data sets of tracks are judged by frames, whole tracks and clips; the paper by frames.
_OF_TRACKS = {"ccvid"}


@dataclass(frozen=True)
class Retrieval:
    """A data set that was read: its table of images, and how it is judged."""

    name: str
    path: str
    table: pa.Table
    images: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", self.table["image"].to_pylist())

    @property
    def root(self) -> str:
        return root_of(self.table)

    @property
    def finds(self) -> bool:
        """Whether keypoints must be found: samples of shards bring theirs."""
        return bool(self.root)

    def parts(self, finder: Finder, size: int, max_pixels: int) -> list[Part]:
        images = list(dict.fromkeys(self.images))
        if self.finds:
            return of_folder(self.root, images, finder, max_pixels)
        return of_shards(images, size)

    def figures(self, held: Held) -> Iterator[Figure]:
        """The figures by which the data set is reported, of the images that have a feature."""
        whole = _Labelled.of(self.table.filter(pa.array(held.present_N)), held.features_MF)
        sides = {"": whole}
        if self.name in _OF_TRACKS:
            sides |= {", tracks": whole.tracks(), ", clips": whole.clips()}
        for name, figure in DATASETS[self.name].figures.items():
            for of, items in sides.items():
                query, gallery = items.role(figure.query), items.role("gallery")
                for side, kept in ((figure.query, query), ("gallery", gallery)):
                    if not len(kept.name):
                        raise EvaluationError(f"{self.path}: no image of the {side} has a feature")
                q, g = query.as_images(), gallery.as_images()
                found = evaluate(q, g, figure.rule)
                counts = {
                    "queries": found.queries,
                    "queries without a match": found.skipped,
                    "gallery": len(gallery.name),
                    "images without a feature": held.missing,
                }
                picked = ([], []) if of else chosen(found.average_precision)
                names = (query.name, gallery.name)
                ranked, failures = (
                    rank(q, g, figure.rule, rows, names, found.average_precision) for rows in picked
                )
                yield Figure(
                    name + of, _metrics(found), counts, _notes(found), _cmc(found), ranked, failures
                )


@dataclass(frozen=True)
class _Labelled:
    """Features (M, F) and labels (M,) of images, tracks or clips."""

    features_MF: Tensor
    person: NDArray[np.int64]
    camera: NDArray[np.int64]
    clothes: NDArray[np.int64]
    role_M: NDArray[np.object_]
    track: NDArray[np.int64]
    name: list[str]

    @classmethod
    def of(cls, table: pa.Table, features_MF: Tensor) -> "_Labelled":
        labels = {x: table[x].to_numpy() for x in ("person", "camera", "clothes", "track")}
        role_M = np.array(table["role"].to_pylist(), object)
        return cls(features_MF, role_M=role_M, name=table["image"].to_pylist(), **labels)

    def at(self, rows: NDArray[np.integer]) -> "_Labelled":
        labels = {x: getattr(self, x)[rows] for x in ("person", "camera", "clothes", "track")}
        name = [self.name[row] for row in rows]
        features_MF = self.features_MF[torch.from_numpy(rows).to(self.features_MF.device)]
        return _Labelled(features_MF, role_M=self.role_M[rows], name=name, **labels)

    def role(self, role: str) -> "_Labelled":
        return self.at(np.flatnonzero(self.role_M == role))

    def as_images(self) -> Images:
        return Images(self.features_MF, self.person, self.camera, self.clothes)

    def tracks(self) -> "_Labelled":
        return self._pooled(self.track)

    def clips(self) -> "_Labelled":
        frame_M, clip_M = frames_of_clips(self.track)
        return self.at(frame_M)._pooled(clip_M)

    def _pooled(self, number_M: NDArray[np.int64]) -> "_Labelled":
        pooled, _ = pool_tracks(self.as_images(), number_M)
        # Numbers ascend in the result, and their first rows say what else is known.
        first = np.unique(number_M, return_index=True)[1]
        labels = {x: getattr(self, x)[first] for x in ("person", "camera", "clothes", "track")}
        assert isinstance(pooled.features, Tensor)
        name = [self.name[row] for row in first]
        return _Labelled(pooled.features, role_M=self.role_M[first], name=name, **labels)


def _metrics(found: Ranking) -> dict[str, float]:
    ranks = {f"top{k}": found.rank(k) for k in RANKS}
    return ranks | {"mAP": found.mAP, "mINP": found.mINP}


def _notes(found: Ranking) -> list[str]:
    if found.queries:
        return []
    return ["no query has a match in the gallery, so that there are no figures"]


def _cmc(found: Ranking) -> Curve | None:
    if not found.queries:
        return None
    share = found.cmc[:_CURVE]
    return Curve("CMC", np.arange(1, len(share) + 1, dtype=np.float64), share)
