"""Checks of the rows of a release, one by one and together."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.verify.findings import Finding, error, some, warning
from pipelines.verify.packed import key_findings, people_findings
from pipelines.verify.removed import removal_queries
from webbody.releases.figures import SampleFigures
from webbody.releases.format import LIST_LENGTHS
from webbody.releases.private_urls import PASSWORD, no_urls, private_urls
from webbody.removals import RemovalLists
from webbody.sample_keys import packed_key

_NEEDED = ("key", "url", "person", "split", "sha256", "width", "height", "box", "keypoints",
           "phash", "source")  # fmt: skip
_FETCH = "fetch the release again, or tell its publisher"
_TELL = "tell the publisher, who should take them out of the list"
_REMOVED = {"url": "url", "sha256": "sha256", "person": "person", "sample": "key"}


class FileRows:
    """Looks at the rows of a data file in tables as they come; `findings` sums them up."""

    def __init__(self, name: str, removals: RemovalLists) -> None:
        self.name, self._removals = name, removals
        self._split = name.removeprefix("data/").partition("-")[0]
        self._found: dict[str, tuple[int, list[int]]] = {}
        self._last: tuple[int, str] | None = None

    def check(self, table: pa.Table, first: int, follows: bool = True) -> None:
        """At rows of SCHEMA; first: the number of the first.

        follows: whether the rows before were looked at.
        """
        for name in _NEEDED:
            self._mark(f"have no {name}", pc.is_null(table[name]), first)
        self._mark("are of another split", pc.not_equal(table["split"], self._split), first)
        bad = pc.invert(pc.match_substring_regex(table["sha256"], "^[0-9a-f]{64}$"))
        self._mark("have no sha256 as it should be", bad, first)
        self._mark("have a negative person", pc.less(table["person"], 0), first)
        self._mark("have a URL that is none", no_urls(table["url"]), first)
        for what, rows in private_urls(table["url"]):
            self._mark(f"have {what} in the URL", rows, first)
        self._look_at_places(table, first)
        self._look_at_order(table, first, follows)
        if self._removals:
            gone = [self._removals.contains(**row) for row in removal_queries(table, _REMOVED)]
            self._mark("were taken down", np.flatnonzero(gone), first)

    @property
    def sound(self) -> bool:
        """Whether no row so far lacks what every row must have."""
        return not any(one.severity == "error" for one in self.findings())

    def findings(self) -> Iterator[Finding]:
        """A line for each kind of thing that was found in this file."""
        for what, (count, rows) in self._found.items():
            message = f"{count:,} rows {what} (row {some(rows)}{', ...' if count > 5 else ''})"
            if " in the URL" in what and PASSWORD not in what:
                yield warning(self.name, message, _TELL)
            else:
                yield error(self.name, message, _TELL if " in the URL" in what else _FETCH)

    def _look_at_places(self, table: pa.Table, first: int) -> None:
        """Boxes, keypoints, and the keys that follow from URL and box."""
        whole = {}
        for name, length in LIST_LENGTHS.items():
            lengths = pc.list_value_length(table[name])
            wrong = pc.or_kleene(pc.not_equal(lengths, length), _has_nulls(table[name]))
            self._mark(f"have another number of values in {name}", wrong, first)
            whole[name] = _valid(pc.equal(lengths, length)) & ~_valid(_has_nulls(table[name]))
        points = _values(table["keypoints"], whole["keypoints"], LIST_LENGTHS["keypoints"])
        unreal = np.flatnonzero(whole["keypoints"])[~np.isfinite(points).all(1)]
        self._mark("have keypoints that are no numbers", unreal, first)
        sized = _valid(pc.and_(pc.greater(table["width"], 0), pc.greater(table["height"], 0)))
        self._mark("have no width and height", np.flatnonzero(~sized), first)
        rows = np.flatnonzero(whole["box"] & sized)
        some_rows = table.take(pa.array(rows))
        sides = np.stack([some_rows["width"].to_numpy(), some_rows["height"].to_numpy()] * 2, 1)
        boxes = _values(table["box"], whole["box"] & sized, 4)
        with np.errstate(invalid="ignore"):
            area = np.nan_to_num(np.rint(boxes * sides), nan=-1, posinf=-1, neginf=-1)
            inside = (boxes >= 0).all(1) & (boxes <= 1).all(1)
            inside &= (area[:, :2] < area[:, 2:]).all(1)
        self._mark("have a box that is not inside the picture", rows[~inside], first)
        keys, urls = some_rows["key"].to_pylist(), some_rows["url"].to_pylist()
        named = zip(keys, urls, area.astype(np.int64).tolist(), strict=True)
        other = [url is None or key != packed_key(url, place) for key, url, place in named]
        self._mark("have a key that is not that of URL and box", rows[np.array(other, bool)], first)

    def _look_at_order(self, table: pa.Table, first: int, follows: bool) -> None:
        people, keys = table["person"].to_pylist(), table["key"].to_pylist()
        order = [(-1 if p is None else p, k or "") for p, k in zip(people, keys, strict=True)]
        before = [self._last if follows and self._last else (-1, ""), *order][: len(order)]
        late = [one < other for one, other in zip(order, before, strict=True)]
        self._mark("are not in the order of person and key", np.flatnonzero(late), first)
        self._last = order[-1] if order else self._last

    def _mark(self, what: str, which: pa.ChunkedArray | NDArray[np.intp], first: int) -> None:
        """Note rows, given as a column of booleans or by their numbers in the table."""
        rows = which if isinstance(which, np.ndarray) else np.flatnonzero(_valid(which))
        if len(rows):
            count, message = self._found.get(what, (0, []))
            message += (rows[: 5 - len(message)] + first).tolist()
            self._found[what] = count + len(rows), message


class AllRows:
    """What must hold for all rows of a release together.

    figures: those of its card, None where rows are so wrong that they cannot be counted.
    """

    def __init__(self) -> None:
        self._keys, self._people = [np.zeros(0, "S20")], [np.zeros(0, np.int64)]
        self._splits = [np.zeros(0, "S10")]
        self.figures: SampleFigures | None = SampleFigures()

    def add(self, table: pa.Table, sound: bool) -> None:
        """Take rows in; sound: so that they can be counted."""
        if self.figures is not None and sound:
            self.figures.add(table)
        else:
            self.figures = None
        keys = pc.fill_null(table["key"], "").to_pylist()
        self._keys.append(np.array([key.encode("utf-8", "replace") for key in keys], "S20"))
        self._people.append(pc.fill_null(table["person"], -1).to_numpy())
        splits = pc.fill_null(table["split"], "").to_pylist()
        self._splits.append(np.array([one.encode("utf-8", "replace") for one in splits], "S10"))

    @property
    def samples(self) -> int:
        return sum(map(len, self._keys))

    @property
    def people(self) -> int:
        return len(np.unique(np.concatenate(self._people)))

    def findings(self, where: str) -> Iterator[Finding]:
        """Keys that are there twice, people in two splits, people with one image."""
        yield from key_findings(where, np.concatenate(self._keys))
        people, splits = np.concatenate(self._people), np.concatenate(self._splits)
        yield from people_findings(where, people, splits)


def _valid(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """A column of booleans; null is False."""
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), bool)


def _has_nulls(column: pa.ChunkedArray) -> pa.Array:
    """Whether a list has a value that is null."""
    joined = column.combine_chunks()
    parents = pc.list_parent_indices(joined)
    gone = parents.filter(pc.is_null(joined.flatten()))
    mask = np.zeros(len(joined), bool)
    mask[gone.to_numpy()] = True
    return pa.array(mask)


def _values(column: pa.ChunkedArray, which: NDArray[np.bool_], width: int) -> NDArray[np.float64]:
    """The lists of some rows as an array (N, width)."""
    flat = column.combine_chunks().filter(pa.array(which)).flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False).reshape(-1, width), np.float64)
