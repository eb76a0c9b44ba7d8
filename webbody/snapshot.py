"""What lies in a folder of an object store, listed once instead of asked for file by file.

A build that has nothing to do looks at every commit record and at the size of every output: tens of
calls for each shard. A snapshot takes one listing (a call for each thousand files), and the records
themselves from an index: segments of many records each, written by whoever changes the folder. An
entry counts only while the store's own tag of the file (ETag, generation) is the same.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from webbody.parquet_tables import read_parquet

#: The folder of the segments inside a build.
INDEX = "records"
#: So many segments are made one.
_MOST_SEGMENTS = 8
#: What stores call the tag of a version of a file. A time is none: two versions may have the same.
_TAGS = ("ETag", "etag", "generation", "md5Hash")
_AT_ONCE = 2000


@dataclass(frozen=True)
class Entry:
    """A file of a listing: bytes, and the store's tag of this version ("" where it has none)."""

    size: int
    tag: str


@dataclass
class Snapshot:
    """A listing by name, and the content of commit records by name, with the tag it had."""

    entries: dict[str, Entry]
    contents: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    fresh: dict[str, bytes] = field(default_factory=dict)  # what was read for this listing
    indexed: set[str] = field(default_factory=set)  # names whose content a segment has
    loaded: set[str] = field(default_factory=set)  # segments that were read, or written from here
    changed: set[str] = field(default_factory=set)  # names that were written since: unknown

    def knows(self, name: str) -> bool:
        """Whether it tells if this file is there; not of what was written since."""
        return name not in self.changed

    def content(self, name: str) -> bytes | None:
        """The content of a file as it is now, where it is known."""
        if not self.knows(name) or name not in self.entries:
            return None
        return self.fresh[name] if name in self.fresh else self.tagged(name)

    def tagged(self, name: str) -> bytes | None:
        """The content of a file that has a tag, where that of this tag is known."""
        entry, found = self.entries.get(name), self.contents.get(name)
        if not self.knows(name) or entry is None or found is None or not entry.tag:
            return None
        return found[1] if found[0] == entry.tag else None


def entries_of(root: str, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Entry]:
    """The files of `find(root, detail=True)` by their names below the root."""
    start = len(root.strip("/")) + 1
    return {
        path.strip("/")[start:]: Entry(int(info.get("size") or 0), _tag(info))
        for path, info in found.items()
        if info.get("type", "file") == "file"
    }


def _tag(info: Mapping[str, Any]) -> str:
    return next((str(info[name]) for name in _TAGS if info.get(name)), "")


def is_record(name: str) -> bool:
    """Whether a file is a commit record by its name, <stage>/<shard>.json, or `build.json`."""
    return name.count("/") <= 1 and name.endswith(".json")


def fill(snapshot: Snapshot, read: Callable[[list[str]], Mapping[str, bytes]]) -> None:
    """Take the records into a snapshot: from the segments, and what these lack by itself.

    read: gets the contents of many files at once.
    """
    segments = [n for n in snapshot.entries if n.startswith(f"{INDEX}/")]
    fresh = [name for name in segments if name not in snapshot.loaded]
    snapshot.loaded = set(segments)
    for data in read(fresh).values():
        for name, tag, content in _rows(data):
            if name in snapshot.entries and snapshot.entries[name].tag == tag:
                snapshot.contents[name] = (tag, content)
                snapshot.indexed.add(name)
    snapshot.indexed = {name for name in snapshot.indexed if snapshot.tagged(name) is not None}
    lacking = [n for n in snapshot.entries if is_record(n) and snapshot.content(n) is None]
    for first in range(0, len(lacking), _AT_ONCE):
        for name, data in read(lacking[first : first + _AT_ONCE]).items():
            snapshot.fresh[name] = data
            snapshot.contents[name] = (snapshot.entries[name].tag, data)


def _rows(segment: bytes) -> list[tuple[str, str, bytes]]:
    """Name, tag and content of each record in a segment; none where it is damaged."""
    try:
        table = read_parquet(io.BytesIO(segment))
        columns = [table[name].to_pylist() for name in ("name", "tag", "content")]
    except (pa.ArrowException, OSError, KeyError):
        return []
    return list(zip(*columns, strict=True))


def new_segment(snapshot: Snapshot) -> tuple[str, bytes, list[str]] | None:
    """The next segment: name, content, and the segments that it replaces; None for none.

    Of few segments another one is made with what they lack, of many one with everything.
    """
    segments = sorted(name for name in snapshot.entries if name.startswith(f"{INDEX}/"))
    current = {n for n in snapshot.contents if is_record(n) and snapshot.tagged(n) is not None}
    missing = sorted(current - snapshot.indexed)
    if not missing:
        return None
    number = 1 + max((int(n[len(INDEX) + 1 :].split(".")[0]) for n in segments), default=0)
    merged = len(segments) >= _MOST_SEGMENTS
    names: Iterable[str] = sorted(current) if merged else missing
    rows = [(name, *snapshot.contents[name]) for name in names]
    table = pa.table(
        {
            "name": pa.array([row[0] for row in rows], pa.string()),
            "tag": pa.array([row[1] for row in rows], pa.string()),
            "content": pa.array([row[2] for row in rows], pa.binary()),
        }
    )
    data = io.BytesIO()
    pq.write_table(table, data, compression="zstd")
    return f"{INDEX}/{number:06d}.parquet", data.getvalue(), segments if merged else []
