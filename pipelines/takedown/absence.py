"""Searching every file of a folder for removed samples."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa

from pipelines.takedown.text_values import TEXTS, Readings, text_values
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.parquet_tables import open_parquet
from webbody.picture_files.formats import SUFFIXES
from webbody.removals import RELEASED_REMOVALS, REMOVALS, RemovalLists, RemovalQuery
from webbody.shards import read_members
from webbody.storage import Folder


@dataclass
class Absence:
    """The searched files, and removed items found: file -> count."""

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
    their JSON says; texts by what `text_values` finds; pictures by the digest of their bytes and by
    their names, as exports name them. Other files are named as not read, and pictures, too: whom a
    changed picture shows cannot be told so.
    """
    out = Absence()
    for path in sorted(folder.fs.find(folder.path())):
        name = str(path).removeprefix(f"{folder.path()}/")
        if name in (REMOVALS, RELEASED_REMOVALS):
            continue
        _, dot, ending = name.rpartition("/")[2].rpartition(".")
        ending = ending.lower() if dot else ""
        out.files += 1
        with folder.open(name) as file:
            try:
                if ending == "parquet":
                    values = _of_table(file)
                elif ending == "tar":
                    values = _of_tar(file)
                elif ending in TEXTS:
                    values = text_values(file.read(), ending, lists.has("name"))
                elif f".{ending}" in SUFFIXES:
                    values = _of_picture(name, folder.sha256(name))
                    if ending != "png":  # charts
                        out.unread.append(name)
                else:
                    out.unread.append(name)
                    continue
                for readings in values:
                    out.values += 1
                    out.found[name] += any(lists.contains(**one) for one in readings)
            except (pa.ArrowException, WebbodyError, OSError, ValueError):
                out.unread.append(name)
        if not out.found[name]:
            del out.found[name]
    return out


def _of_table(file: IO[bytes]) -> Iterator[Readings]:
    table = open_parquet(file)
    names = set(table.schema_arrow.names)
    columns = [c for c in ("url", "sha256", "person", "sample", "name") if c in names]
    keyed = "key" if "sample" not in names and "key" in names else None
    before = "person_before" if "person_before" in names else None
    lists = [c for c in ("names", "name_a", "name_b") if c in names]
    read = [*columns, *lists, *filter(None, [keyed, before])]
    for batch in table.iter_batches(columns=read, use_threads=False):
        for row in batch.to_pylist():
            readings: Readings = [_removal_query(row, columns)]
            if keyed:
                readings.append({"sample": row[keyed]})
            if before:
                readings.append({"person": row[before]})
            yield readings
            for column in lists:
                named = row[column] if isinstance(row[column], list) else [row[column]]
                for one in filter(None, named):
                    yield [{"name": one}]


def _removal_query(row: dict[str, Any], columns: list[str]) -> RemovalQuery:
    query: RemovalQuery = {}
    for column in columns:
        query[column] = row[column]  # type: ignore[literal-required]
    return query


def _of_picture(name: str, digest: str) -> Iterator[Readings]:
    *folders, own = name.split("/")
    readings: Readings = [{"sha256": digest}, {"sample": own.partition(".")[0]}]
    for folder in folders:
        readings.append({"name": folder})
        if folder.isascii() and folder.isdecimal() and len(folder) < 19:
            readings.append({"person": int(folder)})
    yield readings


def _of_tar(file: IO[bytes]) -> Iterator[Readings]:
    for member, data in read_members(file):
        key, _, ending = member.partition(".")
        if ending == "json":
            about = parse_json(data)
            own = [name for name in ("url", "sha256", "person") if name in about]
            yield [_removal_query(about, own), {"sample": key}]
