"""Writing a release: its rows, then its descriptions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq

from pipelines.release.build_figures import build_figures
from pipelines.release.citation import bibtex, citation
from pipelines.release.croissant import croissant
from pipelines.release.finished import FinishedBuild
from pipelines.release.known_harm import KnownHarm
from pipelines.release.page import readme
from pipelines.release.refused import Refusal, csv_text
from pipelines.release.removed import released_removals
from pipelines.release.samples import ReleasedSamples
from pipelines.release.target import ReleaseTarget
from pipelines.sampling.placement import Shuffle
from webbody import __version__
from webbody.errors import WebbodyError
from webbody.releases import changes
from webbody.releases.card import Card
from webbody.releases.figures import SampleFigures, domain_table
from webbody.releases.format import (
    RELEASE_FILE,
    DataFile,
    Earlier,
    PackedAs,
    ReleaseInfo,
    ShuffledAs,
)
from webbody.releases.release import Release, file_sha256
from webbody.releases.writing import digest_of_shards, write_data
from webbody.removals import REMOVALS, Removals
from webbody.storage import Folder

README, CROISSANT, CITATION = "README.md", "croissant.json", "CITATION.cff"
FIGURES, DOMAINS, SUMS = "figures.json", "domains.csv", "SHA256SUMS"
CHANGES, CHANGES_SUMMARY = "changes.parquet", "changes.json"
#: The version of a draft without one.
_NO_VERSION = "0"


@dataclass(frozen=True)
class Written:
    """A written release: the content of its release.json, and notes for the publisher."""

    info: ReleaseInfo
    notes: list[str]


def write_release(
    build: str,
    out: str,
    card: Card,
    *,
    draft: bool = False,
    previous: str | None = None,
    refuse_hashes: str | None = None,
    replace: bool = False,
) -> Written:
    """Write a release of a finished build; equal builds, cards and days give equal bytes.

    Args:
        build: Folder of the build.
        out: Local folder to write; it must not exist.
        card: What the publisher says.
        draft: Say everywhere that it is a draft.
        previous: Path or URL of the previous version.
        refuse_hashes: List of known harmful pictures; see `KnownHarm`.
        replace: Let `out` be a release of the same name, which is replaced.

    Returns:
        The release's content of release.json, and notes for the publisher.

    Raises:
        WebbodyError: The build is not finished, `out` exists, the previous version does not fit, or
            samples are in the list of harmful pictures.
    """
    target = ReleaseTarget(out)
    card = card.model_copy(update={"name": card.name or target.path.name})
    target.check_free(card.name, replace)
    harm = KnownHarm.read(refuse_hashes) if refuse_hashes else None
    before = _before(previous, card)
    finished = FinishedBuild.read(build)
    removals = released_removals(finished, before)
    samples = ReleasedSamples(finished, card.name)
    with target.named() as path:
        folder = Folder(path)
        with samples.by_split() as splits:
            files: dict[str, DataFile] = {}
            for split, tables in splits:
                files |= write_data(folder, split, tables)
        # Read back, as verification does.
        info = _info(finished, samples, files, card, draft, before)
        release = Release(folder, info)
        figures, refusal = SampleFigures(), Refusal(harm, removals)
        for table in release.tables():
            figures.add(table)
            refusal.add(table)
        refusal.check(target.path)
        removals.write(folder)
        folder.write_bytes(RELEASE_FILE, info.to_json())
        changed = _write_changes(folder, before, release, removals)
        _write_descriptions(folder, card, info, figures, build_figures(finished), changed)
        write_sums(folder)
    return Written(info, _notes(card, samples, finished))


def _before(previous: str | None, card: Card) -> Release | None:
    """The previous version; WebbodyError if it has another name or the same version."""
    if previous is None:
        return None
    found = Release.read(previous)
    if found.info.name != card.name:
        raise WebbodyError(
            f"--previous {previous}: is a release of {found.info.name}, not of {card.name}; give "
            "the version before of the same data set."
        )
    if found.info.version == card.version:
        raise WebbodyError(
            f"--previous {previous}: is version {card.version} already; raise the version in the "
            "card."
        )
    return found


def _info(
    build: FinishedBuild,
    samples: ReleasedSamples,
    files: dict[str, DataFile],
    card: Card,
    draft: bool,
    before: Release | None,
) -> ReleaseInfo:
    settings, earlier = build.config, before.info if before else None
    return ReleaseInfo(
        name=card.name,
        version=card.version or _NO_VERSION,
        created=card.date or datetime.now(UTC).date(),
        draft=draft,
        samples=len(samples.keys),
        people=len(set(samples.person.tolist())),
        pack=PackedAs(size=settings.pack.size, quality=settings.pack.quality),
        shuffle=ShuffledAs(seed=settings.split.seed, shards=Shuffle.read(build.folder).shards),
        files=files,
        data_digest=digest_of_shards(build.tars),
        code=__version__,
        previous=Earlier(version=earlier.version, data_digest=earlier.data_digest)
        if earlier
        else None,
        removals=card.removals or REMOVALS,
        contact=card.contact,
    )


def _write_changes(
    folder: Folder, before: Release | None, release: Release, removals: Removals
) -> Mapping[str, int] | None:
    """Write the difference to the version before; its summary, None where there is none."""
    table, counts = changes.SCHEMA.empty_table(), None
    if before is not None:
        known = changes.KnownSamples.read(before)
        table = changes.changes(known, changes.KnownSamples.read(release))
        table = changes.without_taken_down(table, *_taken_since(before, removals))
        counts = changes.summary(table)
    with folder.write(CHANGES) as file:
        pq.write_table(table, file, compression="zstd")
    versions = {"from": before.info.version if before else None, "to": release.info.version}
    _write_json(folder, CHANGES_SUMMARY, {**versions, **(counts or changes.summary(table))})
    return counts


def _taken_since(before: Release, removals: Removals) -> tuple[set[str], set[int]]:
    """Keys of samples and ids of people of an earlier version that were taken down by now."""
    keys, people = set[str](), set[int]()
    columns = ["key", "url", "sha256", "person"]
    for table in before.tables(columns) if removals else ():
        for row in table.to_pylist():
            key = row.pop("key")
            if removals.contains(sample=key, **row):
                keys.add(key)
            if removals.contains(person=row["person"]):
                people.add(row["person"])
    return keys, people


def _write_descriptions(
    folder: Folder,
    card: Card,
    info: ReleaseInfo,
    figures: SampleFigures,
    of_build: dict[str, Any],
    changed: Mapping[str, int] | None,
) -> None:
    """Write README.md, croissant.json, CITATION.cff, figures.json and domains.csv."""
    all_figures = {"samples": figures.to_json(), "build": of_build}
    domains = [tuple(row.values()) for row in domain_table(figures.domains).to_pylist()]
    cite = bibtex(card, info)
    text = {
        DOMAINS: csv_text(["domain", "samples"], [list(row) for row in domains]),
        README: readme(card, info, all_figures, domains, changed, cite),
        CROISSANT: croissant(card, info, all_figures, cite),
        CITATION: citation(card, info),
    }
    _write_json(folder, FIGURES, all_figures)
    for name, content in text.items():
        folder.write_bytes(name, content.encode("utf-8", "replace"))


def _write_json(folder: Folder, name: str, content: Any) -> None:
    folder.write_bytes(name, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def write_sums(folder: Folder) -> None:
    """SHA256SUMS of all other files, as sha256sum reads it."""
    lines = []
    for name in sorted([*folder.names(), *(f"data/{one}" for one in folder.names("data"))]):
        if name not in ("data", SUMS):
            with folder.open(name) as file:
                lines.append(f"{file_sha256(file)}  {name}\n")
    folder.write_bytes(SUMS, "".join(lines).encode())


def _notes(card: Card, samples: ReleasedSamples, build: FinishedBuild) -> list[str]:
    notes = []
    if samples.unanswered:
        notes.append(
            f"{len(samples.unanswered)} of {len(build.shards)} shards were fetched by an older "
            "version, which did not note days, ETags and signals: these columns are empty there."
        )
    if card.collection == "untargeted":
        notes.append(
            "The card says that the collection was untargeted: for face recognition databases that "
            "is forbidden in the European Union (AI Act, Article 5(1)(e))."
        )
    return notes
