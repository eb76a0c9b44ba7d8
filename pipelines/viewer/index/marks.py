"""What was said of a build's pictures and names, found again where it means them."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.corrections.correction import (
    OF_PEOPLE,
    Correction,
    CropReference,
    Verdict,
    in_force,
)
from pipelines.corrections.journal import FOLDER, read_corrections
from pipelines.corrections.locating import Located, locate
from pipelines.corrections.told import known_to, sentence
from pipelines.engine.build_files import BuildFiles
from pipelines.viewer.index.database import IndexDatabase
from webbody.errors import WebbodyError
from webbody.storage import Folder

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mark:
    """A correction in a line; waits: the build has not heeded it yet."""

    id: str
    verdict: str
    sentence: str
    waits: bool


@dataclass(frozen=True)
class Marks:
    """of_crop: by crop. of_names: by two names, sorted. crops: of a correction, those it means."""

    of_crop: Mapping[str, Sequence[Mark]] = field(default_factory=dict)
    of_names: Mapping[tuple[str, str], Sequence[Mark]] = field(default_factory=dict)
    crops: Mapping[str, Sequence[str]] = field(default_factory=dict)


def corrections_stamp(folder: Folder) -> tuple[tuple[str, int | None], ...]:
    """Another value once more was said: files of corrections only grow."""
    return tuple((name, folder.size(f"{FOLDER}/{name}")) for name in folder.names(FOLDER))


def read_marks(build: BuildFiles, database: IndexDatabase) -> Marks:
    """The marks of a build; none where its corrections cannot be read, which their page tells."""
    try:
        said = read_corrections(build.folder)
    except WebbodyError as error:
        _LOG.warning("%s", error)
        return Marks()
    holding = _holding(said)
    if not holding:
        return Marks()
    located = located_in(build, database, [one for said in holding for one in said.references])
    known = known_to(build.records)
    of_crop: dict[str, list[Mark]] = defaultdict(list)
    of_names: dict[tuple[str, str], list[Mark]] = defaultdict(list)
    crops: dict[str, list[str]] = {}
    for one in holding:
        waits = one.verdict != Verdict.RIGHT and one.id not in known
        mark = Mark(one.id, one.verdict.value, sentence(one), waits)
        meant = [found.crop for crop in one.crops for found in located.get(crop, ())]
        for crop in meant:
            of_crop[crop].append(mark)
        crops[one.id] = meant
        if one.verdict in OF_PEOPLE:
            sides = [_names(person, located) for person in (one.person, one.other)]
            for first in sides[0]:
                for second in sides[1]:
                    low, high = sorted((first, second))
                    of_names[low, high].append(mark)
    return Marks(of_crop, of_names, crops)


def _holding(said: Sequence[Correction]) -> tuple[Correction, ...]:
    """Those that nobody took back, also what was merely found right."""
    undone = {one.undoes for one in said if one.verdict == Verdict.UNDO}
    right = [one for one in said if one.verdict == Verdict.RIGHT and one.id not in undone]
    return (*in_force(said), *right)


def located_in(
    build: BuildFiles, database: IndexDatabase, references: Collection[CropReference]
) -> Located:
    """Where the pictures are; only the shards that hold such bytes are read."""
    digests = sorted({one.sha256 for one in references})
    rows = database.rows(
        "SELECT DISTINCT shard FROM crops WHERE sha256 IN (SELECT unnest(?::VARCHAR[]))", (digests,)
    )

    def read(stage: str, shard: str, columns: list[str]) -> pa.Table | None:
        return build.table(stage, shard, columns)

    return locate(references, sorted(row["shard"] for row in rows), read)


def _names(person: Sequence[Sequence[CropReference]], located: Located) -> set[str]:
    """The names whose pictures a reference to a person means."""
    return {found.name for name in person for one in name for found in located.get(one, ())}
