"""Verifying a release: its files, its rows, and what its card says of them."""

from collections.abc import Iterator

import pyarrow as pa

from pipelines.release.write import CROISSANT
from pipelines.verify.card_figures import change_findings, figure_findings
from pipelines.verify.digests import NotedFile, compare
from pipelines.verify.findings import EVERYTHING, Finding, SampleDraw, Verified, error
from pipelines.verify.machine_card import croissant_findings, validate
from pipelines.verify.rows import AllRows, FileRows
from pipelines.verify.sums import read_sums, unlisted
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.parquet_tables import open_parquet
from webbody.releases.format import (
    FORMAT,
    RELEASE_FILE,
    SCHEMA,
    ReleaseInfo,
    check_columns,
    read_info,
)
from webbody.removals import REMOVALS, RemovalLists, read_removals
from webbody.storage import Folder

_FETCH = "fetch it again"


def verify_release(url: str, draw: SampleDraw = EVERYTHING, threads: int = 0) -> Verified:
    """Everything that a release says of itself.

    A sample (`draw`) is of files, whose digests are compared, and of row groups, which are read.

    Raises WebbodyError where release.json describes no release.
    """
    folder = Folder(url.rstrip("/").removesuffix(f"/{RELEASE_FILE}"))
    found = Verified(folder.url, "release", draw)
    sums, wrong = read_sums(folder)
    found.add(wrong)
    info = _info(folder, found)
    noted = sums if info is None else _with_data(sums, info, found)
    damaged = _files(folder, noted, found, threads)
    found.add(unlisted(folder, sums))
    if info is None:
        return found
    removals = _removals(folder, info, found)
    everything = AllRows()
    for name in sorted(info.files):
        if name not in damaged and folder.size(name) is not None:
            found.add(_rows(folder, name, info, removals, everything, found))
    if draw.share < 1:
        found.notes.append("what holds for all rows was not looked at, as only a sample was read")
    elif not damaged & info.files.keys():
        found.add(everything.findings("data"))
        found.add(_counts(info, everything))
        found.add(figure_findings(folder, everything.figures))
    found.add(change_findings(folder))
    found.add(croissant_findings(folder, info))
    if folder.size(CROISSANT) is not None:
        invalid, why_not = validate(folder)
        found.add(invalid)
        found.notes += [why_not] if why_not else []
    return found


def _info(folder: Folder, found: Verified) -> ReleaseInfo | None:
    """What release.json says; None where it is damaged, or too new, which is noted."""
    data = folder.read(RELEASE_FILE)
    try:
        return read_info(data, RELEASE_FILE)
    except WebbodyError as problem:
        try:
            content = parse_json(data)
            other = isinstance(content, dict) and content.get("format") != FORMAT
        except (ValueError, RecursionError):
            other = False
        if other and not any(name.endswith(".parquet") for name in folder.names("data")):
            raise
        found.add([error(RELEASE_FILE, str(problem).removeprefix(f"{RELEASE_FILE}: "))])
        return None


def _with_data(noted: list[NotedFile], info: ReleaseInfo, found: Verified) -> list[NotedFile]:
    """The files of both lists; those of release.json say their size besides."""
    sums = {file.name: file.sha256 for file in noted}
    for name, file in info.files.items():
        if sums.get(name, file.sha256) != file.sha256:
            message = f"and SHA256SUMS have different digests of {name}"
            found.add([error(RELEASE_FILE, message, "fetch both again")])
    own = [NotedFile(name, file.sha256, file.bytes) for name, file in info.files.items()]
    return [*own, *(file for file in noted if file.name not in info.files)]


def _files(folder: Folder, noted: list[NotedFile], found: Verified, threads: int) -> set[str]:
    """The files that are not what the lists say."""
    damaged = set()
    drawn = [file for file in noted if found.draw.takes(file.name)]
    for file, read, wrong in compare(folder, drawn, threads):
        found.files += 1
        found.bytes += read
        if wrong:
            damaged.add(file.name)
            found.add([error(file.name, wrong, _FETCH)])
    return damaged


def _rows(
    folder: Folder,
    name: str,
    info: ReleaseInfo,
    removals: RemovalLists,
    everything: AllRows,
    found: Verified,
) -> Iterator[Finding]:
    """What is wrong with the rows of a data file."""
    try:
        with folder.open(name) as file:
            parquet = open_parquet(file)
            check_columns(parquet.schema_arrow, name)
            rows = parquet.metadata.num_rows
            if rows != info.files[name].rows:
                message = f"has {rows:,} rows, {RELEASE_FILE} says {info.files[name].rows:,}"
                yield error(name, message, _FETCH)
            checker = FileRows(name, removals)
            first, before = 0, -1
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                if found.draw.takes(f"{name}#{group}"):
                    table = parquet.read_row_group(group, use_threads=False).select(SCHEMA.names)
                    checker.check(table, first, follows=before == group - 1)
                    everything.add(table, checker.sound)
                    before = group
                first += count
            yield from checker.findings()
    except WebbodyError as problem:
        yield error(name, str(problem).removeprefix(f"{name}: "))
    except (pa.ArrowException, OSError) as problem:
        yield error(name, f"is no Parquet file that can be read ({type(problem).__name__})", _FETCH)


def _counts(info: ReleaseInfo, everything: AllRows) -> Iterator[Finding]:
    """Samples and people against what release.json says."""
    for what, said, there in (
        ("samples", info.samples, everything.samples),
        ("people", info.people, everything.people),
    ):
        if said != there:
            yield error(RELEASE_FILE, f"says {said:,} {what}, and there are {there:,}", _FETCH)


def _removals(folder: Folder, info: ReleaseInfo, found: Verified) -> RemovalLists:
    """The release's own list of what was taken down."""
    name = info.removals if info.removals and "://" not in info.removals else REMOVALS
    try:
        own = read_removals(folder, name)
    except WebbodyError as problem:
        found.add([error(name, str(problem))])
        own = None
    if info.removals and "://" in info.removals:
        found.notes.append(
            f"the newest removals are at {info.removals}; only those of this folder were looked for"
        )
    return RemovalLists((own,) if own else ())
