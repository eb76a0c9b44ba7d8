"""A build or a release as tables of samples with the same columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.graph import FACES, FROM_URLS, graph_of
from pipelines.engine.sources import is_release
from pipelines.inspection.status import status
from pipelines.release.build_figures import build_figures
from pipelines.release.finished import FinishedBuild
from pipelines.statistics.matching import LabelledSamples
from webbody.build_records import BuildRecords
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.releases.format import SCHEMA
from webbody.releases.release import Release
from webbody.storage import Folder

#: Of a sample; those that only a release has are null for a build.
COLUMNS = ("key", "url", "person", "split", "width", "height", "box", "keypoints", "fetched",
           "etag", "last_modified", "opt_out")  # fmt: skip
_TABLE = pa.schema([SCHEMA.field(name) for name in COLUMNS])
_OF_SPLIT = {
    "key": "sample",
    "url": "url",
    "person": "person",
    "split": "split",
    "width": "image_width",
    "height": "image_height",
    "box": "box",
}


class SampleSource:
    """A build folder that is complete, or a release: its samples, and what else is known of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.release = Release.read(url) if is_release(url) else None
        self.build = None if self.release else _complete(url)

    @property
    def kind(self) -> str:
        return "release" if self.release else "build"

    def tables(self) -> Iterator[pa.Table]:
        """All samples as tables of COLUMNS."""
        if self.release is not None:
            yield from self.release.tables(COLUMNS)
        elif self.build is not None:
            for pack in self.build.packs:
                with self.build.folder.open(f"split/{pack}.parquet") as file:
                    table = read_parquet(
                        file, columns=[*_OF_SPLIT.values(), "keypoints", "packed_keypoints"]
                    )
                columns = {name: table[column] for name, column in _OF_SPLIT.items()}
                # Those of the crop or of the packed image: which are seen is the same in both.
                columns["keypoints"] = pc.coalesce(table["packed_keypoints"], table["keypoints"])
                none = {name: pa.nulls(len(table), _TABLE.field(name).type) for name in COLUMNS[8:]}
                columns |= none
                yield pa.table([columns[name].cast(_TABLE.field(name).type) for name in COLUMNS],
                               _TABLE)  # fmt: skip

    def about(self) -> dict[str, Any]:
        """What only the folder knows: of a build its funnel, faces, settings; of a release, who."""
        if self.release is not None:
            info = self.release.info
            return {"name": info.name, "version": info.version, "code": info.code}
        if self.build is None:
            return {}
        if FACES.name in self.build.records.build["stages"]:
            return build_figures(self.build)
        return {"rows": self.build.rows, "outcomes": self.build.outcomes}  # made from a release

    def labels(self) -> LabelledSamples:
        """Key, person and split of every sample."""
        keys, people, splits = [np.zeros(0, "S20")], [np.zeros(0, np.int64)], [np.zeros(0, "S10")]
        for table in self.tables():
            keys.append(np.array(table["key"].to_pylist(), "S20"))
            people.append(table["person"].to_numpy())
            splits.append(np.array(table["split"].to_pylist(), "S10"))
        return LabelledSamples.sorted(*map(np.concatenate, (keys, people, splits)))


def _complete(out: str) -> FinishedBuild:
    """A build of any kind that is complete; a WebbodyError where it is none."""
    if not status(out).complete:
        raise WebbodyError(
            f"{out}: is not complete, and its figures would be those of a part; `webbody status "
            f"{out}` says what is missing."
        )
    records = BuildRecords(Folder(out))
    if graph_of(records.build.get("stages")) is FROM_URLS:
        raise WebbodyError(
            f"{out}: holds whole photos, which are of nobody by name, and these figures are of "
            "people; `webbody status` and `webbody report` tell of it."
        )
    return FinishedBuild(Folder(out), records)
