"""Lists of what was taken down. They name nothing: they hold keyed hashes.

A list of removed URLs would publish them again. So a list holds hashes under a key of its own,
which stands in it: whoever has a URL can ask whether it was removed; whoever has the list alone
learns nothing. Lists are only ever added to.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypedDict, Unpack, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.storage import Folder
from webbody.url_grammar import canonical_url, domains_of

#: The list in a build folder and in a release.
REMOVALS = "removals.parquet"
#: The outcome of a row that was taken down.
TAKEDOWN = "takedown"
#: What an entry is about. A `name` stays in the build folder: a list of names would find it out.
Scope = Literal["url", "domain", "sha256", "person", "sample", "name"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PRIVATE: tuple[Scope, ...] = ("name",)
#: Why something was removed, in classes that say nothing of anybody.
REASONS = ("request", "law", "rights", "harm", "mistake")

SCHEMA = pa.schema(
    [("date", pa.date32()), ("scope", pa.string()), ("reason", pa.string()), ("hash", pa.string())]
)
_KEY = b"webbody.removals"
_HASH = re.compile("[0-9a-f]{32}")


class RemovalQuery(TypedDict, total=False):
    """What a list is asked for: any of these, None where it is not known."""

    url: str | None
    sha256: str | None
    person: int | None
    sample: str | None
    name: str | None


@dataclass(frozen=True)
class Removal:
    """An entry: when, what it is about, why, and the keyed hash (32 hex digits)."""

    date: date
    scope: str
    reason: str
    hash: str


@dataclass(frozen=True)
class Removals:
    """A list of removals. key: of its hashes, 64 hex digits."""

    key: str = "0" * 64
    entries: tuple[Removal, ...] = ()
    _hashes: dict[str, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_scope: dict[str, set[str]] = {}
        for entry in self.entries:
            by_scope.setdefault(entry.scope, set()).add(entry.hash)
        frozen = {scope: frozenset(hashes) for scope, hashes in by_scope.items()}
        object.__setattr__(self, "_hashes", frozen)

    def __bool__(self) -> bool:
        return bool(self.entries)

    @property
    def newest(self) -> date | None:
        """The date of the last entry; None of an empty list."""
        return max((entry.date for entry in self.entries), default=None)

    def hash(self, scope: str, value: str | int) -> str:
        """The keyed hash of a value: blake2b-128, hex. Of a URL, whatever its spelling."""
        if scope == "url":
            value = canonical_url(str(value))
        text = f"{scope}\0{value}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, digest_size=16, key=bytes.fromhex(self.key)).hexdigest()

    def contains(self, **what: Unpack[RemovalQuery]) -> bool:
        """Whether any of these was removed; of a URL also its host and the domains above it."""
        url, sha256 = what.get("url"), what.get("sha256")
        candidates: list[tuple[str, Sequence[str | int | None]]] = [
            ("url", [url]),
            ("domain", domains_of(url) if url and "domain" in self._hashes else []),
            ("sha256", [sha256.lower() if sha256 else None]),
            ("person", [what.get("person")]),
            ("sample", [what.get("sample")]),
            ("name", [what.get("name")]),
        ]
        return any(
            self.hash(scope, value) in self._hashes[scope]
            for scope, values in candidates
            if scope in self._hashes
            for value in values
            if value is not None
        )

    def plus(self, day: date, reason: str, values: Iterable[tuple[Scope, str | int]]) -> "Removals":
        """The list with further entries; those that it has already are not added again."""
        if reason not in REASONS:
            raise WebbodyError(f"--reason {reason}: it is one of {', '.join(REASONS)}.")
        new = []
        known = {scope: set(hashes) for scope, hashes in self._hashes.items()}
        for scope, value in values:
            one = self.hash(scope, value)
            if one not in known.setdefault(scope, set()):
                known[scope].add(one)
                new.append(Removal(day, scope, reason, one))
        return Removals(self.key, (*self.entries, *sorted(new, key=lambda e: (e.scope, e.hash))))

    def public(self) -> "Removals":
        """What may leave the build folder."""
        return Removals(self.key, tuple(e for e in self.entries if e.scope not in PRIVATE))

    def digest(self) -> str:
        """A sha256 of the list's content (hex)."""
        lines = [self.key, *(f"{e.date} {e.scope} {e.reason} {e.hash}" for e in self.entries)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def table(self) -> pa.Table:
        """The entries as rows of SCHEMA, the key in the metadata."""
        rows = [vars(entry) for entry in self.entries]
        return pa.Table.from_pylist(rows, SCHEMA.with_metadata({_KEY: self.key.encode()}))

    def to_bytes(self) -> bytes:
        """The file's content; equal lists give equal bytes."""
        sink = pa.BufferOutputStream()
        pq.write_table(self.table(), sink, compression="zstd")
        content: bytes = sink.getvalue().to_pybytes()
        return content

    def write(self, folder: Folder, name: str = REMOVALS) -> None:
        """Write the list as a file that appears whole."""
        folder.write_bytes(name, self.to_bytes())


def new_key(text: str) -> str:
    """A key for a new list, from what it belongs to: equal builds have equal lists."""
    return hashlib.blake2b(text.encode(), digest_size=32, person=b"removals").hexdigest()


def read_removals(folder: Folder, name: str = REMOVALS) -> Removals | None:
    """The list in a folder; None where there is none.

    Raises WebbodyError where it is none that can be read.
    """
    where = folder.path(name)
    try:
        with folder.open(name) as file:
            table = read_parquet(file)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException) as error:
        raise WebbodyError(f"{where}: is no list of removals; fetch it again.") from error
    key = (table.schema.metadata or {}).get(_KEY, b"").decode("ascii", "replace")
    if not table.schema.equals(SCHEMA) or len(key) != 64 or set(key) - set("0123456789abcdef"):
        raise WebbodyError(
            f"{where}: is no list of removals (date, scope, reason, hash, and the key of the "
            "hashes); fetch it again."
        )
    rows = table.to_pylist()
    for number, row in enumerate(rows):
        if None in row.values() or not _HASH.fullmatch(row["hash"]):
            raise WebbodyError(
                f"{where}: entry {number + 1:,} has no date, scope, reason or hash that can be "
                "read; fetch the list again."
            )
    unknown = {row["scope"] for row in rows} - set(SCOPES)
    if unknown:
        raise WebbodyError(
            f"{where}: removes by {', '.join(sorted(map(str, unknown)))}, which this version does "
            "not know; install a newer webbody before you build."
        )
    return Removals(key, tuple(Removal(**row) for row in rows))


@dataclass(frozen=True)
class RemovalLists:
    """All lists that hold for a build: its own, and that of the release that it is built from."""

    lists: tuple[Removals, ...] = ()

    def __bool__(self) -> bool:
        return any(self.lists)

    def __len__(self) -> int:
        return sum(len(one.entries) for one in self.lists)

    def contains(self, **what: Unpack[RemovalQuery]) -> bool:
        """Whether any list has any of these; see `Removals.contains`."""
        return any(one.contains(**what) for one in self.lists)

    def has(self, scope: Scope) -> bool:
        """Whether any entry is about such a thing."""
        return any(entry.scope == scope for one in self.lists for entry in one.entries)

    def digest(self) -> str:
        """A sha256 (hex) of what the lists hold; "" where they hold nothing."""
        held = sorted(one.digest() for one in self.lists if one)
        return hashlib.sha256("\n".join(held).encode()).hexdigest() if held else ""


NO_REMOVALS = RemovalLists()


#: The list of the release that a folder was last built from, kept beside the folder's own.
RELEASED_REMOVALS = "removals-of-release.parquet"


def lists_in(folder: Folder) -> RemovalLists:
    """The lists that lie in a build folder."""
    found = (read_removals(folder, name) for name in (REMOVALS, RELEASED_REMOVALS))
    return RemovalLists(tuple(one for one in found if one is not None))
