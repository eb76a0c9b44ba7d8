"""Taking down in a release: its files are written anew without some samples."""

import json
import shutil
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.release.refused import csv_text
from pipelines.release.target import ReleaseTarget
from pipelines.release.write import (
    CHANGES,
    CROISSANT,
    DOMAINS,
    FIGURES,
    README,
    write_sums,
)
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.releases.figures import SampleFigures, domain_table
from webbody.releases.format import RELEASE_FILE, DataFile, splits_of
from webbody.releases.release import Release, file_sha256
from webbody.releases.writing import write_data
from webbody.removals import Removals, Scope, new_key, read_removals
from webbody.storage import Folder


@dataclass(frozen=True)
class TakenFromRelease:
    """samples: how many went. entries: how many the list of removals has more."""

    samples: int
    entries: int


def take_down(
    where: str,
    asked: list[tuple[Scope, str | int]],
    reason: str,
    day: date,
) -> TakenFromRelease:
    """Write a local release without what is asked for, and with the removals in its list.

    asked: URLs, domains, digests and people. Of people also their URLs, digests and keys go into
    the list, so that others find them at other places. The rows that stay are as they were.

    Raises:
        WebbodyError: It is no local release, or a person is not in it.
    """
    release = Release.read(where)
    if not release.folder.local:
        raise WebbodyError(f"{where}: take down in a local copy of the release, and push it again.")
    own = read_removals(release.folder) or Removals(new_key(release.info.data_digest))
    listed = own.plus(day, reason, _entries(release, asked))
    target = ReleaseTarget(where)
    with target.named() as path:
        shutil.copytree(release.folder.path(), path, dirs_exist_ok=True)
        folder = Folder(path)
        gone = _data(release, folder, listed)
        listed.write(folder)
        _told(folder, len(gone), day)
        _without_keys(folder, gone)
        write_sums(folder)
    return TakenFromRelease(len(gone), len(listed.entries) - len(own.entries))


def _entries(
    release: Release, asked: list[tuple[Scope, str | int]]
) -> list[tuple[Scope, str | int]]:
    out = list(asked)
    people = {int(value) for scope, value in asked if scope == "person"}
    found: set[int] = set()
    for table in release.tables(["key", "url", "person", "sha256"]) if people else ():
        mine = table.filter(
            pc.is_in(table["person"], value_set=pa.array(sorted(people), pa.int64()))
        )
        for row in mine.to_pylist():
            found.add(row["person"])
            out += [("url", row["url"]), ("sha256", row["sha256"]), ("sample", row["key"])]
    if missing := people - found:
        raise WebbodyError(f"--person {min(missing)}: there is no such person in the release.")
    return out


def _data(release: Release, folder: Folder, listed: Removals) -> set[str]:
    """Write the data files and release.json; the keys of the samples that went."""
    gone: set[str] = set()
    files: dict[str, DataFile] = {}
    samples, people = 0, set[int]()
    for name in release.files:
        folder.remove(name)
    for split in splits_of(release.info.files):
        stay = []
        for table in release.tables(splits=[split]):
            rows = table.select(["key", "url", "person", "sha256"]).to_pylist()
            out = [listed.names(sample=row.pop("key"), **row) for row in rows]
            mask = pa.array(out, pa.bool_())
            gone |= set(table.filter(mask)["key"].to_pylist())
            kept = table.filter(pc.invert(mask))
            samples += len(kept)
            people |= set(kept["person"].to_pylist())
            stay.append(kept)
        files |= write_data(folder, split, stay)
    info = release.info.model_copy(
        update={
            "samples": samples,
            "people": len(people),
            "files": files,
            # The publisher's shards held what went.
            "data_digest": release.info.data_digest if not gone else "",
        }
    )
    folder.write_bytes(RELEASE_FILE, info.to_json())
    return gone


def _told(folder: Folder, count: int, day: date) -> None:
    """Mend what the pages say: figures, domains that are no more, and a word on what went."""
    figures = SampleFigures()
    for table in Release.read(folder.url).tables():
        figures.add(table)
    told = json.loads(folder.read(FIGURES))
    told["samples"] = figures.told()
    text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    folder.write_bytes(FIGURES, text.encode())
    domains = [list(row.values()) for row in domain_table(figures.domains).to_pylist()]
    before = {line.split(",")[0] for line in folder.read(DOMAINS).decode().splitlines()[1:]}
    lost = before - {str(row[0]) for row in domains}
    folder.write_bytes(DOMAINS, csv_text(["domain", "samples"], domains).encode())
    page = [
        line
        for line in folder.read(README).decode().splitlines(keepends=True)
        if not (line.startswith("|") and any(domain in line for domain in lost))
    ]
    title = next(i for i, line in enumerate(page) if line.startswith("# "))
    note = (
        f"\n> **{count:,} samples were taken down on {day}.** They are not in the files any more; "
        "the figures of this page are from before.\n"
    )
    if count:
        page.insert(title + 1, note)
    folder.write_bytes(README, "".join(page).encode())


def _without_keys(folder: Folder, gone: set[str]) -> None:
    """Drop the samples from the difference to the version before; mend Croissant's digests."""
    with folder.open(CHANGES) as file:
        table = read_parquet(file)
    names = pa.array(sorted(gone), pa.string())
    table = table.filter(pc.invert(pc.is_in(table["key"], value_set=names)))
    with folder.write(CHANGES) as file:
        pq.write_table(table, file, compression="zstd")
    content = json.loads(folder.read(CROISSANT))
    content["distribution"] = [
        _described(folder, entry)
        for entry in content["distribution"]
        if "contentUrl" not in entry or folder.size(entry["contentUrl"]) is not None
    ]
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    folder.write_bytes(CROISSANT, text.encode())


def _described(folder: Folder, entry: dict[str, Any]) -> dict[str, Any]:
    """A file of Croissant's list with its present digest and size."""
    if "sha256" not in entry:
        return entry
    with folder.open(entry["contentUrl"]) as file:
        digest = file_sha256(file)
    return {**entry, "sha256": digest, "contentSize": f"{folder.size(entry['contentUrl'])} B"}
