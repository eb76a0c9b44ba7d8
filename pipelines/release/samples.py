"""The samples of a build as rows of a release, sorted by person and key; on disk, not in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.fetching.response_headers import reservation
from pipelines.fetching.shard_tables import ANSWERS, ANSWERS_SCHEMA
from pipelines.identity.tables import rows_of
from pipelines.release.finished import FinishedBuild
from pipelines.sampling.external_shuffle import ExternalShuffle
from pipelines.stages.split import SCHEMA as SPLIT_SCHEMA
from webbody import skeleton
from webbody.commit import side_file
from webbody.errors import WebbodyError
from webbody.geometry import fitted, on_letterbox
from webbody.parquet_tables import read_parquet
from webbody.releases.format import SCHEMA, SPLITS

#: Rows that are sorted in memory at a time.
_CHUNK = 200_000
#: Columns of the split from which a release's columns are made.
_OF_SPLIT = (
    "sample", "url", "person", "split", "sha256", "image_width", "image_height", "box",
    "keypoints", "crop_width", "crop_height",
)  # fmt: skip
_BESIDE = pa.schema([("crop", pa.string()), ("photo_hash", pa.int64()), *list(ANSWERS_SCHEMA)[1:]])


class ReleasedSamples:
    """The packed samples of a finished build: which they are, and their rows.

    source: what the column `source` says. keys, person, split: (N,) of all samples, by split (a
    place in SPLITS), person and key, which is the order of the rows. unanswered: shards without
    the table of what servers said, as builds of older versions have none.
    """

    def __init__(self, build: FinishedBuild, source: str) -> None:
        self._build, self._source = build, source
        found = [
            _packed(build, pack, ("crop", "sample", "person", "split")) for pack in build.packs
        ]
        table = pa.concat_tables(found)
        keys, crops = _ascii(table["sample"]), _ascii(table["crop"])
        person = table["person"].to_numpy()
        split = np.array([SPLITS.index(one) for one in table["split"].to_pylist()])
        order = np.lexsort((keys, person, split))
        self.keys, self.person, self.split = keys[order], person[order], split[order]
        if len(np.unique(keys)) < len(keys):
            raise WebbodyError(
                f"{build.folder.url}: two samples have the same key; run `webbody build` again."
            )
        self._crops = crops[order]
        self._by_crop = np.argsort(self._crops)
        self.unanswered: list[str] = []

    @contextmanager
    def by_split(self) -> Iterator[Iterator[tuple[str, Iterator[pa.Table]]]]:
        """Each split that has samples, with its rows in tables of SCHEMA."""
        place = np.arange(len(self.keys))
        # Pieces of _CHUNK rows at most, none of which has rows of two splits.
        within = place - np.searchsorted(self.split, self.split)
        _, file = np.unique(self.split * len(place) + within // _CHUNK, return_inverse=True)
        split_of = self.split[np.searchsorted(file, np.arange(count := int(file[-1]) + 1))]
        kinds = pa.schema([SPLIT_SCHEMA.field(name) for name in ("crop", *_OF_SPLIT)])
        with ExternalShuffle(kinds, count) as samples, ExternalShuffle(_BESIDE, count) as beside:
            for pack in self._build.packs:
                table = _packed(self._build, pack, ("crop", *_OF_SPLIT))
                at = self._places(_ascii(table["crop"]))
                samples.add(table, file[at], place[at])
            for shard in self._build.shards:
                table, at = self._beside(shard)
                beside.add(table, file[at], place[at])
            rows = (
                (number, self._rows(table, other))
                for (number, table), (_, other) in zip(samples.files(), beside.files(), strict=True)
            )
            yield (
                (split, (table for _, table in tables))
                for split, tables in groupby(rows, lambda row: SPLITS[split_of[row[0]]])
            )

    def _places(self, crops: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """The place of each crop (N,) among the samples, -1 where it is none."""
        at = np.searchsorted(self._crops, crops, sorter=self._by_crop)
        place = self._by_crop[np.minimum(at, len(self._crops) - 1)]
        return np.where(self._crops[place] == crops, place, -1)

    def _beside(self, shard: str) -> tuple[pa.Table, NDArray[np.int64]]:
        """Hashes of the photos and what servers said, for the samples of a planned shard."""
        build = self._build
        with build.folder.open(f"persons/{shard}.parquet") as file:
            table = read_parquet(file, columns=["crop", "key", "photo_hash"])
        at = self._places(_ascii(table["crop"]))
        table, at = table.filter(pa.array(at >= 0)), at[at >= 0]
        answers = self._answers(shard)
        said = answers.take(pa.array(rows_of(table["key"], answers["key"])))
        columns = {name: said[name] for name in answers.column_names if name != "key"}
        own = {name: table[name] for name in ("crop", "photo_hash")}
        return pa.table({**own, **columns}, _BESIDE), at

    def _answers(self, shard: str) -> pa.Table:
        """Metadata of the responses; only keys if it is not stored."""
        build, name = self._build, side_file(shard, ANSWERS)
        if name in build.records.need("download", shard).outputs:
            try:
                with build.folder.open(f"download/{name}") as file:
                    return read_parquet(file, schema=ANSWERS_SCHEMA)
            except FileNotFoundError:
                pass
        self.unanswered.append(shard)
        with build.folder.open(f"download/{shard}.parquet") as file:
            keys = read_parquet(file, columns=["key"])
        nothing = {f.name: pa.nulls(len(keys), f.type) for f in list(ANSWERS_SCHEMA)[1:]}
        return pa.table({"key": keys["key"], **nothing}, ANSWERS_SCHEMA)

    def _rows(self, samples: pa.Table, beside: pa.Table) -> pa.Table:
        """Rows of SCHEMA from what the split and the other stages know of the same samples."""
        if samples["crop"] != beside["crop"]:
            raise WebbodyError(
                f"{self._build.folder.url}: packed samples are missing in persons/; run `webbody "
                "build` again."
            )
        agent = self._build.config.download.user_agent
        said = beside["rights"].to_pylist()
        columns: dict[str, Any] = {
            "key": samples["sample"],
            "url": samples["url"],
            "person": samples["person"],
            "split": samples["split"],
            "sha256": samples["sha256"],
            "width": samples["image_width"],
            "height": samples["image_height"],
            "box": _lists(boxes(samples), pa.float64()),
            "keypoints": _lists(keypoints(samples, self._build.config.pack.size), pa.float32()),
            "phash": beside["photo_hash"],
            "fetched": beside["fetched"],
            "etag": beside["etag"],
            "last_modified": beside["last_modified"],
            "opt_out": pa.array([reservation(one or (), agent) for one in said], pa.string()),
            "source": pa.array([self._source] * len(samples), pa.string()),
        }
        return pa.table(columns, SCHEMA)


def boxes(samples: pa.Table) -> NDArray[np.float64]:
    """The crops' rectangles (N, 4), with as many digits as packed samples have."""
    return np.asarray(np.round(_array(samples["box"], 4).astype(np.float64), 6))


def keypoints(samples: pa.Table, size: int) -> NDArray[np.float64]:
    """The keypoints (N, 57) in pixels of the packed image, as packed samples have them."""
    points = _array(samples["keypoints"], 3 * skeleton.COUNT).reshape(-1, skeleton.COUNT, 3)
    sides = zip(samples["crop_width"].to_pylist(), samples["crop_height"].to_pylist(), strict=True)
    laid = [fitted(*side, size) for side in sides]
    for own, (scale, _, _, left, top) in zip(points, laid, strict=True):
        own[:] = on_letterbox(own, scale, left, top)
    rounded = np.round(skeleton.clean(points).astype(np.float64), 2)
    return np.asarray(rounded.reshape(len(points), -1))


def _packed(build: FinishedBuild, pack: str, columns: tuple[str, ...]) -> pa.Table:
    with build.folder.open(f"split/{pack}.parquet") as file:
        return read_parquet(file, columns=list(columns))


def _ascii(column: pa.ChunkedArray) -> NDArray[np.bytes_]:
    return np.array(column.to_pylist(), "S24")


def _array(column: pa.ChunkedArray, width: int) -> NDArray[Any]:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.array(flat.reshape(-1, width))


def _lists(values: NDArray[Any], kind: pa.DataType) -> pa.ListArray:
    """An array (N, width) as a column of lists."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel(), kind))
