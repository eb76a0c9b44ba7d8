"""Data sets whose queries are searched in a gallery."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pyarrow as pa

from model.evaluation.ranking import Ranking, evaluate
from model.evaluation.readers.datasets import DATASETS
from model.evaluation.readers.image_table import root_of
from model.evaluation.rules import Rule
from pipelines.evaluate.images.sources import FolderImages, ShardSamples
from pipelines.evaluate.models.features import ImageFeatures
from pipelines.evaluate.tasks.figure import TaskResult, cmc_curve
from pipelines.evaluate.tasks.labelled import LabelledFeatures
from pipelines.evaluate.tasks.ranked import ranked_queries
from webbody.errors import WebbodyError

RANKS = (1, 5, 10, 20)
_NO_MATCH = "no query has a match in the gallery, so that there are no figures"
#: Data sets of tracks are judged by frames, whole tracks and clips; the paper by frames.
_OF_TRACKS = {"ccvid"}


@dataclass(frozen=True)
class Search:
    """Queries, the gallery in which they are searched, and the rule that judges.

    of_images: the items are images, not tracks or clips of them.
    """

    name: str
    rule: Rule
    query: LabelledFeatures
    gallery: LabelledFeatures
    of_images: bool


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

    def source(self) -> FolderImages | ShardSamples:
        images = list(dict.fromkeys(self.images))
        return FolderImages(self.root, images) if self.root else ShardSamples(images)

    def figures(self, image_features: ImageFeatures) -> Iterator[TaskResult]:
        """The figures by which the data set is reported, of the images that have a feature."""
        for one in self.searches(image_features):
            q, g = one.query.as_images(), one.gallery.as_images()
            found = evaluate(q, g, one.rule)
            figure = figure_of(one.name, found, len(one.gallery.name), image_features.missing)
            if not one.of_images:
                yield figure
                continue
            names = (one.query.name, one.gallery.name)
            yield replace(figure, queries=ranked_queries(q, g, one.rule, names, found))

    def searches(self, image_features: ImageFeatures) -> Iterator[Search]:
        """What is searched where, for each figure of the data set."""
        whole = LabelledFeatures.of(
            self.table.filter(pa.array(image_features.present_N)), image_features.features_MF
        )
        sides = {"": whole}
        if self.name in _OF_TRACKS:
            sides |= {", tracks": whole.tracks(), ", clips": whole.clips()}
        for name, figure in DATASETS[self.name].figures.items():
            for of, items in sides.items():
                query, gallery = items.role(figure.query), items.role("gallery")
                for side, kept in ((figure.query, query), ("gallery", gallery)):
                    if not len(kept.name):
                        raise WebbodyError(f"{self.path}: no image of the {side} has a feature")
                yield Search(name + of, figure.rule, query, gallery, of_images=not of)


def figure_of(name: str, found: Ranking, gallery: int, missing: int) -> TaskResult:
    """A ranking's figure; gallery: its size. missing: images without a feature."""
    counts = {
        "queries": found.queries,
        "queries without a match": found.skipped,
        "in the gallery": gallery,
        "images without a feature": missing,
    }
    metrics = {f"top{k}": found.rank(k) for k in RANKS} | {"mAP": found.mAP, "mINP": found.mINP}
    notes = [] if found.queries else [_NO_MATCH]
    return TaskResult(name, metrics, counts, notes, cmc_curve(found))
