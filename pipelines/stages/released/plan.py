"""Plan of a build from a release: its samples as shards, and the rows that cannot be used."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.base.row_lookup import LOOKUP, RowLookup
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.sampling.placement import shuffle_numbers
from pipelines.sampling.subsets import SUBSETS, subset
from pipelines.stages.plan import REJECTED, REJECTED_FILE
from pipelines.stages.released.people_order import PeopleInOrder
from pipelines.stages.split import TRAIN
from webbody.config import RebuildSettings
from webbody.releases.format import split_of
from webbody.releases.release import Release
from webbody.removals import TAKEDOWN, RemovalLists
from webbody.sample_keys import packed_key
from webbody.skeleton import COUNT
from webbody.url_grammar import is_url

#: A row of a release as later stages need it; `name` is null, as a release knows none. `area` is
#: the crop in pixels of the published picture, `keypoints` are in pixels of the final one.
SHARD = pa.schema(
    [
        ("key", pa.string()),
        ("url", pa.string()),
        ("name", pa.string()),
        ("sha256", pa.string()),
        ("person", pa.int64()),
        ("split", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("area", pa.list_(pa.int32())),
        ("keypoints", pa.list_(pa.float32())),
        ("phash", pa.int64()),
        ("published", pa.int32()),
    ]
)
#: Longest side that a row may claim: no picture format of ours goes beyond.
_SIDE = 1 << 20
_SHA256 = re.compile("[0-9a-f]{64}")


class ReleasedPlan(Stage[RebuildSettings]):
    """Cuts a release into shards of about `rows_per_shard` samples; a person is never cut in two.

    Outputs `plan/<shard>.parquet` (SHARD), called after its first person's id,
    `plan/rejected.parquet`, and the table that tells the shard of a URL. Rows of other splits and
    people than those asked for are no rows of this build. `published` is the year in which the
    publisher fetched the picture.
    """

    name = "plan"
    version = 3
    needs = ()

    def __init__(self, settings: RebuildSettings, release: Release, removals: RemovalLists) -> None:
        super().__init__(settings)
        self.release, self.removals = release, removals
        self._person: int | None = None
        self._keys: set[str] = set()  # of this person's rows so far

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        with RowLookup() as lookup:
            counts = self._plan(outputs, lookup)
            lookup.write(outputs.file(LOOKUP))
        return counts

    def _plan(self, outputs: Outputs, lookup: RowLookup) -> dict[str, int]:
        counts = {"in": 0, "out": 0, "shards": 0}
        rejected = [REJECTED.empty_table()]
        pending: list[pa.Table] = []
        rows = first = 0

        def flush() -> None:
            nonlocal pending, rows
            if rows:
                shard, table = f"{first:012x}", pa.concat_tables(pending).combine_chunks()
                outputs.table(table, f"{shard}.parquet")
                lookup.add(shard, table["url"], table["key"])
                counts["shards"] += 1
            pending, rows = [], 0

        order = PeopleInOrder(self.release.folder.url)
        for split, table in self._chosen():
            counts["in"] += len(table)
            good, bad = self._accepted(table)
            order.check(split, good["person"].to_numpy())
            rejected.append(bad)
            counts["out"] += len(good)
            for person, samples in _by_person(good):
                if rows and rows + len(samples) > self.settings.rows_per_shard:
                    same = pending[-1]["person"][-1].as_py() == person
                    if not same:
                        flush()
                if not rows:
                    first = person
                pending.append(samples)
                rows += len(samples)
        flush()
        bad = pa.concat_tables(rejected).combine_chunks()
        outputs.table(bad, REJECTED_FILE)
        for value in bad["outcome"].value_counts() if len(bad) else ():
            counts[value["values"].as_py()] = value["counts"].as_py()
        return counts

    def _chosen(self) -> Iterator[tuple[str, pa.Table]]:
        """The rows that are asked for, by split, with `row`: their number in the release, from 1,
        and `line`: that in their `file`.

        Rows without a person belong to no part of the people: they are always among them.
        """
        row = 1
        subset = self._subset()
        for name, file in self.release.files.items():
            split, at, first = split_of(name), row, row
            row += file.rows
            if self.settings.splits and split not in self.settings.splits:
                continue
            for table in self.release.tables(files=[name]):
                rows = np.arange(at, at + len(table))
                table = table.append_column("row", pa.array(rows))
                table = table.append_column("file", pa.array([name] * len(table), pa.string()))
                table = table.append_column("line", pa.array(rows - first + 1))
                at += len(table)
                chosen = np.ones(len(table), bool)
                if subset is not None and split == TRAIN:
                    chosen &= pc.is_in(table["person"], value_set=subset).to_numpy()
                if self.settings.share < 1:
                    names = (f"part {person}" for person in table["person"].to_pylist())
                    draw = shuffle_numbers(names, self.settings.seed) / 2.0**64
                    chosen &= draw < self.settings.share
                chosen |= table["person"].is_null().to_numpy()
                yield split, table.filter(pa.array(chosen))

    def _subset(self) -> pa.Array | None:
        """The training people of the subset that is asked for; None for all."""
        if self.settings.subset == "all":
            return None
        counts: Counter[int] = Counter()
        for table in self.release.tables(columns=["person"], splits=[TRAIN]):
            counts.update(table["person"].drop_null().to_pylist())
        people = np.array(sorted(counts), np.int64)
        images = np.array([counts[person] for person in people.tolist()], np.int64)
        percent = SUBSETS[self.settings.subset]
        return pa.array(subset(people, images, percent, self.settings.seed))

    def _accepted(self, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The rows (SHARD) that can be used, and the others with their outcome (REJECTED)."""
        areas = _areas(table)
        outcomes: list[str | None] = []
        for row, area in zip(table.to_pylist(), areas, strict=True):
            outcome = _outcome(row, area)
            if row["person"] != self._person:
                self._person, self._keys = row["person"], set()
            if outcome is None and row["key"] in self._keys:
                outcome = "manifest:duplicate"
            elif outcome is None and self.removals.contains(
                url=row["url"], sha256=row["sha256"], person=row["person"], sample=row["key"]
            ):
                outcome = TAKEDOWN
            self._keys.add(row["key"])
            outcomes.append(outcome)
        good = pa.array([outcome is None for outcome in outcomes], pa.bool_())
        made = {
            "name": pa.nulls(len(table), pa.string()),
            "area": pa.array(areas, SHARD.field("area").type),
            "published": pc.cast(pc.year(table["fetched"]), pa.int32()),
        }
        columns = [made[name] if name in made else table[name] for name in SHARD.names]
        whole = pa.table(columns, schema=SHARD)
        visible = [outcome != TAKEDOWN for outcome in outcomes]
        urls = [u if t else None for u, t in zip(table["url"].to_pylist(), visible, strict=True)]
        bad = pa.table(
            [
                table["row"],
                table["file"],
                table["line"],
                pa.array(urls, pa.string()),
                pa.nulls(len(table), pa.string()),
                pa.array(outcomes, pa.string()),
                pa.nulls(len(table), pa.string()),
            ],
            schema=REJECTED,
        )
        return whole.filter(good), bad.filter(pc.invert(good))


def _outcome(row: Mapping[str, object], area: list[int] | None) -> str | None:
    """Why a row cannot be used; None where it can."""
    if not row["url"]:
        return "manifest:no-url"
    if not is_url(str(row["url"])):
        return "manifest:bad-url"
    if row["person"] is None or int(str(row["person"])) < 0:
        return "manifest:no-person"
    if not _SHA256.fullmatch(str(row["sha256"])):
        return "manifest:bad-sha256"
    if area is None:
        return "manifest:bad-box"
    if len(row["keypoints"] or ()) != COUNT * 3:  # type: ignore[arg-type]
        return "manifest:bad-keypoints"
    if row["key"] != packed_key(str(row["url"]), area):
        return "manifest:bad-key"
    return None


def _areas(table: pa.Table) -> list[list[int] | None]:
    """The crops in pixels of the published pictures; None for a box that is not inside."""
    out: list[list[int] | None] = []
    sizes = zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True)
    for box, (width, height) in zip(table["box"].to_pylist(), sizes, strict=True):
        out.append(area_of(box, width, height))
    return out


def area_of(box: object, width: int | None, height: int | None) -> list[int] | None:
    """A box in fractions of a picture as left, top, right, bottom in its pixels.

    None where it is not inside, or holds no pixel.
    """
    if not isinstance(box, list) or len(box) != 4 or not width or not height:
        return None
    sides = np.array([width, height, width, height], float)
    values = np.array(box, float)
    if not np.isfinite(values).all() or max(width, height) > _SIDE or min(width, height) < 1:
        return None
    left, top, right, bottom = (int(value) for value in np.rint(values * sides))
    inside = 0 <= left < right <= width and 0 <= top < bottom <= height
    return [left, top, right, bottom] if inside else None


def _by_person(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Rows that follow each other of one person."""
    persons: NDArray[np.int64] = table["person"].to_numpy()
    starts = np.flatnonzero(np.diff(persons, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(persons)][: len(starts)], strict=True):
        yield int(persons[start]), table.slice(start, stop - start)
