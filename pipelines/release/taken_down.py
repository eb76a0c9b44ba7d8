"""Removing samples from a release, whose files are rewritten."""

import json
import shutil
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.release.recounted import updated_croissant, updated_readme
from pipelines.release.refused import csv_text
from pipelines.release.target import ReleaseTarget
from pipelines.release.write import (
    CHANGES,
    CHANGES_SUMMARY,
    CROISSANT,
    DOMAINS,
    FIGURES,
    README,
    write_sums,
)
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.releases import changes
from webbody.releases.figures import SampleFigures, domain_table
from webbody.releases.format import RELEASE_FILE, DataFile, splits_of
from webbody.releases.release import Release
from webbody.releases.writing import write_data
from webbody.removals import Removals, Scope, new_key, read_removals
from webbody.storage import Folder


@dataclass(frozen=True)
class TakenFromRelease:
    """samples: removed. left: remaining. entries: added to the list."""

    samples: int
    left: int
    entries: int


def take_down(
    where: str,
    targets: list[tuple[Scope, str | int]],
    reason: str,
    day: date,
) -> TakenFromRelease:
    """Write a local release without what is asked for, and with the removals in its list.

    targets: URLs, domains, digests and people. Of people also their URLs, digests and keys go into
    the list, so that others find them at other places. The rows that stay are as they were.

    Raises:
        WebbodyError: It is no local release, or a person is not in it.
    """
    release = Release.read(where)
    if not release.folder.local:
        raise WebbodyError(f"{where}: take down in a local copy of the release, and push it again.")
    own = read_removals(release.folder) or Removals(new_key(release.info.data_digest))
    listed = own.plus(day, reason, _entries(release, targets, own))
    target = ReleaseTarget(where)
    with target.named() as path:
        shutil.copytree(release.folder.path(), path, dirs_exist_ok=True)
        folder = Folder(path)
        gone, lost = _data(release, folder, listed)
        listed.write(folder)
        _changes(folder, gone, lost, listed, release.info.previous is not None)
        _update_descriptions(folder, len(gone), day)
        write_sums(folder)
        left = Release.read(path).info.samples
    return TakenFromRelease(len(gone), left, len(listed.entries) - len(own.entries))


def _entries(
    release: Release, targets: list[tuple[Scope, str | int]], own: Removals
) -> list[tuple[Scope, str | int]]:
    out = list(targets)
    people = {int(value) for scope, value in targets if scope == "person"}
    found: set[int] = set()
    for table in release.tables(["key", "url", "person", "sha256"]) if people else ():
        mine = table.filter(
            pc.is_in(table["person"], value_set=pa.array(sorted(people), pa.int64()))
        )
        for row in mine.to_pylist():
            found.add(row["person"])
            out += [("url", row["url"]), ("sha256", row["sha256"]), ("sample", row["key"])]
    if missing := {one for one in people - found if not own.contains(person=one)}:
        raise WebbodyError(f"--person {min(missing)}: there is no such person in the release.")
    return out


def _data(release: Release, folder: Folder, listed: Removals) -> tuple[set[str], set[int]]:
    """Write the data files and release.json; keys that went, and people who have none left."""
    gone: set[str] = set()
    lost: set[int] = set()
    files: dict[str, DataFile] = {}
    samples, people = 0, set[int]()
    for name in release.files:
        folder.remove(name)
    for split in splits_of(release.info.files):
        stay = []
        for table in release.tables(splits=[split]):
            rows = table.select(["key", "url", "person", "sha256"]).to_pylist()
            out = [listed.contains(sample=row.pop("key"), **row) for row in rows]
            mask = pa.array(out, pa.bool_())
            taken = table.filter(mask)
            gone |= set(taken["key"].to_pylist())
            lost |= set(taken["person"].to_pylist())
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
            # The publisher's shards contain the removed samples.
            "data_digest": release.info.data_digest if not gone else "",
        }
    )
    folder.write_bytes(RELEASE_FILE, info.to_json())
    return gone, lost - people


def _update_descriptions(folder: Folder, count: int, day: date) -> None:
    """Update figures, counts and domains, and add a note on what was removed."""
    release, figures = Release.read(folder.url), SampleFigures()
    for table in release.tables():
        figures.add(table)
    content = json.loads(folder.read(FIGURES))
    content["samples"] = figures.to_json()
    _write(folder, FIGURES, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    domains = [list(row.values()) for row in domain_table(figures.domains).to_pylist()]
    before = {line.split(",")[0] for line in folder.read(DOMAINS).decode().splitlines()[1:]}
    lost = before - {str(row[0]) for row in domains}
    _write(folder, DOMAINS, csv_text(["domain", "samples"], domains))
    if count:
        page, splits = folder.read(README).decode(), content["samples"]["splits"]
        _write(folder, README, updated_readme(page, release.info, splits, lost, count, day))
    machine = folder.read(CROISSANT).decode()
    _write(folder, CROISSANT, updated_croissant(machine, release.info, content["build"]["rows"]))


def _changes(
    folder: Folder, gone: set[str], lost: set[int], listed: Removals, before: bool
) -> None:
    """Remove the samples from the difference to the previous version, except for their count.

    gone: keys of samples. lost: people without samples. before: whether a previous version exists.
    """
    with folder.open(CHANGES) as file:
        table = read_parquet(file, schema=changes.SCHEMA)
    ids = set(table["person"].to_pylist()) | set(table["person_before"].to_pylist()) - {None}
    people = lost | {one for one in ids if listed.contains(person=one)}
    left = changes.without_taken_down(table, gone, people)
    if before:
        new = set(table.filter(pc.equal(table["change"], changes.ADDED))["key"].to_pylist())
        came = table.filter(pc.equal(table["change"], changes.PERSON_ADDED))["person"].to_pylist()
        more = changes.taken_down(len(gone - new), len(lost - set(came)))
        left = pa.concat_tables([left, more]).combine_chunks()
    with folder.write(CHANGES) as file:
        pq.write_table(left, file, compression="zstd")
    summary = json.loads(folder.read(CHANGES_SUMMARY)) | changes.summary(left)
    _write(folder, CHANGES_SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


def _write(folder: Folder, name: str, text: str) -> None:
    folder.write_bytes(name, text.encode())
