"""Proof that what lists of removals are about is nowhere in a folder: every file is looked into."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from webbody.errors import WebbodyError
from webbody.removals import RELEASED_REMOVALS, REMOVALS, RemovalLists
from webbody.shards import read_members
from webbody.storage import Folder

_URL = re.compile(r"https?://[^\s\"'<>\\)]+")
_TEXT = ("json", "html", "log", "csv", "txt", "md", "jsonl")


@dataclass
class Absence:
    """What was looked at, and where something is still there: file -> how often."""

    files: int = 0
    values: int = 0
    found: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)

    @property
    def proven(self) -> bool:
        return not self.found and not self.unread


def check_absence(folder: Folder, lists: RemovalLists) -> Absence:
    """Look through every file of a folder for what was removed.

    Tables are searched by URL, digest, person, packed key and name; the samples of shards by what
    their JSON says; texts by the URLs in them. Other files are named as not read.
    """
    out = Absence()
    for path in sorted(folder.fs.find(folder.path())):
        name = str(path).removeprefix(f"{folder.path()}/")
        if name in (REMOVALS, RELEASED_REMOVALS):
            continue
        ending = name.rpartition(".")[2]
        out.files += 1
        with folder.open(name) as file:
            try:
                if ending == "parquet":
                    values = _of_table(file)
                elif ending == "tar":
                    values = _of_tar(file)
                elif ending in _TEXT:
                    values = ({"url": url} for url in urls_in(file.read()))
                elif ending == "png":
                    continue
                else:
                    out.unread.append(name)
                    continue
                for value in values:
                    out.values += 1
                    out.found[name] += lists.names(**value)
            except (pa.ArrowException, WebbodyError, OSError, ValueError):
                out.unread.append(name)
        if not out.found[name]:
            del out.found[name]
    return out


def _of_table(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    table = pq.ParquetFile(file)
    names = set(table.schema_arrow.names)
    columns = [c for c in ("url", "sha256", "person", "sample", "name") if c in names]
    keyed = "key" if "sample" not in names and "key" in names else None
    lists = [c for c in ("names", "name_a", "name_b") if c in names]
    for batch in table.iter_batches(columns=[*columns, *lists, *([keyed] if keyed else [])]):
        for row in batch.to_pylist():
            yield {column: row[column] for column in columns} | (
                {"sample": row[keyed]} if keyed else {}
            )
            for column in lists:
                named = row[column] if isinstance(row[column], list) else [row[column]]
                yield from ({"name": one} for one in named if one is not None)


def _of_tar(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    for member, data in read_members(file):
        key, _, ending = member.partition(".")
        if ending == "json":
            about = json.loads(data)
            yield {name: about.get(name) for name in ("url", "sha256", "person")} | {"sample": key}


def urls_in(data: bytes) -> Iterator[str]:
    """The URLs that stand in a text."""
    for found in _URL.findall(data.decode("utf-8", "replace")):
        yield found.rstrip(".,;:")
