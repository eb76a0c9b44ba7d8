"""Differences between two versions of a release, from keys, ids and digests."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from webbody.releases.release import Release

#: A row is a change of a sample (with its key), or of a person (without one). A sample that
#: changed in several ways has several rows. before: of a person who retired the id that is gone,
#: whose samples `person` has now (null: nobody). What was taken down names nothing.
SCHEMA = pa.schema(
    [
        ("change", pa.string()),
        ("key", pa.string()),
        ("person", pa.int64()),
        ("person_before", pa.int64()),
        ("split", pa.string()),
        ("split_before", pa.string()),
    ]
)
ADDED, REMOVED, CHANGED = "added", "removed", "changed"
MOVED, RELABELLED = "moved", "relabelled"
PERSON_ADDED, PERSON_RETIRED = "person-added", "person-retired"
TAKEN_DOWN, PERSON_TAKEN_DOWN = "taken-down", "person-taken-down"

_COLUMNS = ("key", "person", "split", "sha256", "box", "keypoints", "phash")


@dataclass(frozen=True)
class KnownSamples:
    """What a version says of its samples, sorted by key.

    keys, person, split: (N,). content: (N,) digests of picture, box and keypoints.
    """

    keys: NDArray[np.bytes_]
    person: NDArray[np.int64]
    split: NDArray[np.bytes_]
    content: NDArray[np.uint64]

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> "KnownSamples":
        """Read rows of a release."""
        parts = [(np.zeros(0, "S24"), np.zeros(0, np.int64), np.zeros(0, "S8"), np.zeros(0, "<u8"))]
        for table in tables:
            parts.append(
                (
                    np.array(table["key"].to_pylist(), "S24"),
                    table["person"].to_numpy(),
                    np.array(table["split"].to_pylist(), "S8"),
                    _content(table),
                )
            )
        keys, person, split, content = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], person[order], split[order], content[order])

    @classmethod
    def read(cls, release: Release) -> "KnownSamples":
        """Read a release."""
        return cls.of(release.tables(_COLUMNS))


def changes(before: KnownSamples, now: KnownSamples) -> pa.Table:
    """Every change as a row of SCHEMA, in an order that follows from the content."""
    common, then, here = np.intersect1d(before.keys, now.keys, return_indices=True)
    added = np.flatnonzero(~np.isin(now.keys, common))
    removed = np.flatnonzero(~np.isin(before.keys, common))
    retired = _retired(before, now, then, here)
    same_person = [
        now_ == was or retired.get(was) == now_
        for was, now_ in zip(before.person[then].tolist(), now.person[here].tolist(), strict=True)
    ]
    both: list[tuple[str, NDArray[np.bool_]]] = [
        (CHANGED, before.content[then] != now.content[here]),
        (MOVED, before.split[then] != now.split[here]),
        (RELABELLED, ~np.array(same_person, bool)),
    ]
    tables = [_rows(ADDED, now, added, None, None), _rows(REMOVED, None, None, before, removed)]
    tables += [_rows(change, now, here[which], before, then[which]) for change, which in both]
    new = np.setdiff1d(now.person, before.person)
    tables.append(_people(PERSON_ADDED, new.tolist(), [None] * len(new)))
    tables.append(_people(PERSON_RETIRED, list(retired.values()), list(retired)))
    return pa.concat_tables(tables).combine_chunks()


def without_taken_down(table: pa.Table, keys: Collection[str], people: Collection[int]) -> pa.Table:
    """The changes without the keys of samples and the ids of people that were taken down.

    A difference must tell that something left, but not what: for a sample or a person of the
    version before a row stays that says nothing else. What came since then and left has none.
    """
    ids = pa.array(sorted(people), pa.int64())
    columns = {name: table[name] for name in SCHEMA.names}
    gone = pc.is_in(columns["key"], value_set=pa.array(sorted(keys), pa.string()))
    for name in ("person", "person_before"):
        named = pc.is_in(columns[name], value_set=ids)
        gone = pc.or_(gone, pc.and_(named, pc.is_null(columns["key"])))
        columns[name] = pc.if_else(named, pa.scalar(None, pa.int64()), columns[name])
    kinds = table.filter(gone)["change"].to_pylist()
    left = pa.table(columns, SCHEMA).filter(pc.invert(gone))
    more = taken_down(kinds.count(REMOVED), kinds.count(PERSON_RETIRED))
    return pa.concat_tables([left, more]).combine_chunks()


def taken_down(samples: int, people: int) -> pa.Table:
    """Rows for so many samples and people of the version before that were taken down since."""
    kinds = [TAKEN_DOWN] * samples + [PERSON_TAKEN_DOWN] * people
    return pa.table([kinds, *(pa.nulls(len(kinds), f.type) for f in list(SCHEMA)[1:])], SCHEMA)


def summary(table: pa.Table) -> dict[str, int]:
    """How many changes there are of each kind; of people who retired also how many were merged."""
    kinds = table["change"].to_pylist()
    out = {kind: kinds.count(kind) for kind in
           (ADDED, REMOVED, TAKEN_DOWN, CHANGED, MOVED, RELABELLED,
            PERSON_ADDED, PERSON_RETIRED, PERSON_TAKEN_DOWN)}  # fmt: skip
    into = table["person"].to_pylist()
    pairs = zip(kinds, into, strict=True)
    out["person-merged"] = sum(k == PERSON_RETIRED and one is not None for k, one in pairs)
    return out


def _retired(
    before: KnownSamples, now: KnownSamples, then: NDArray[np.intp], here: NDArray[np.intp]
) -> dict[int, int | None]:
    """Ids that are gone, and the one that has most of their samples now."""
    gone = np.setdiff1d(before.person, now.person)
    out: dict[int, int | None] = dict.fromkeys(gone.tolist())
    lost = np.isin(before.person[then], gone)
    pairs, images = np.unique(
        np.stack([before.person[then][lost], now.person[here][lost]], 1), axis=0, return_counts=True
    )
    for old, new in pairs[np.argsort(images, kind="stable")].tolist():
        out[old] = new  # the most common one comes last
    return out


def _rows(
    change: str,
    now: KnownSamples | None,
    here: NDArray[np.intp] | None,
    before: KnownSamples | None,
    then: NDArray[np.intp] | None,
) -> pa.Table:
    of_key: Any = now if now is not None else before
    at = here if here is not None else then
    keys = [key.decode() for key in of_key.keys[at].tolist()]
    columns: list[Any] = [[change] * len(keys), keys]
    for name in ("person", "split"):
        for known, rows in ((now, here), (before, then)):
            values = [None] * len(keys) if known is None else getattr(known, name)[rows].tolist()
            columns.append([v.decode() if isinstance(v, bytes) else v for v in values])
    return pa.table(columns, SCHEMA)


def _people(change: str, person: list[Any], before: list[Any]) -> pa.Table:
    nothing = [None] * len(person)
    return pa.table([[change] * len(person), nothing, person, before, nothing, nothing], SCHEMA)


def _content(table: pa.Table) -> NDArray[np.uint64]:
    """A digest of what a sample shows: its picture's bytes and hash, its box, its keypoints."""
    points = table["keypoints"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    boxes = table["box"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    count = len(table)
    rows = zip(
        table["sha256"].to_pylist(),
        table["phash"].to_pylist(),
        points.reshape(count, -1),
        boxes.reshape(count, -1),
        strict=True,
    )
    digests = [
        hashlib.blake2b(
            f"{sha256} {phash}".encode() + keypoints.tobytes() + box.tobytes(), digest_size=8
        ).digest()
        for sha256, phash, keypoints, box in rows
    ]
    return np.frombuffer(b"".join(digests), "<u8")
