"""Corrections in sentences, and what waits for the next build."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.corrections.correction import Correction, Verdict, detail_of, in_force
from pipelines.corrections.effects import CORRECTIONS, State
from pipelines.corrections.journal import read_corrections
from webbody.build_records import BuildRecords
from webbody.parquet_tables import read_parquet
from webbody.plain_text import counted
from webbody.storage import Folder

_SAYS = {
    Verdict.NOT_THIS_PERSON: "shows somebody else",
    Verdict.BAD_PICTURE: "is a bad picture",
    Verdict.WRONG_BOX: "is cut wrongly",
    Verdict.KEEP: "is to be kept",
    Verdict.RIGHT: "is right",
    Verdict.ONE_PERSON: "are one person",
    Verdict.TWO_PEOPLE: "are two people",
    Verdict.UNDO: "is taken back",
}
_STATES = {
    State.GONE.value: "its pictures are not in this build",
    State.CONTRADICTED.value: "a later one contradicts it",
    State.NO_FACE.value: "no face of that name is known, so nobody can tell who it is",
}


def sentence(one: Correction) -> str:
    """Such as `shows somebody else, says ann on 2026-11-30: another actor`."""
    return f"{_SAYS[one.verdict]}, says {one.who} on {one.when[:10]}" + (
        f": {one.why}" if one.why else ""
    )


def said_by_id(folder: Folder) -> dict[str, str]:
    """The sentence of each correction of a folder, by what tables say of it."""
    return {
        detail_of(one.id): f"{detail_of(one.id)}: {sentence(one)}"
        for one in read_corrections(folder)
    }


@dataclass(frozen=True)
class KnownCorrection:
    """A correction that a build heeded: what it says, what came of it, how much it decided."""

    verdict: str
    state: str
    rows: int
    by: str


def known_to(records: BuildRecords) -> dict[str, KnownCorrection]:
    """The corrections that a build heeded, by their ids."""
    record = records.get("identities")
    if record is None or CORRECTIONS not in record.outputs:
        return {}
    with records.folder.open(f"identities/{CORRECTIONS}") as file:
        rows = read_parquet(file).to_pylist()
    return {row.pop("id"): KnownCorrection(**row) for row in rows}


def decided_by(records: BuildRecords) -> dict[str, int]:
    """How many pictures, or pairs of names, each kind of correction decided in a build."""
    found: Counter[str] = Counter()
    for one in known_to(records).values():
        if one.rows:
            found[one.verdict] += one.rows
    return dict(sorted(found.items()))


def waiting(corrections: Sequence[Correction], records: BuildRecords) -> int:
    """How many corrections, or takings back, the next build will heed for the first time."""
    now = {one.id for one in in_force(corrections)}
    return len(now ^ set(known_to(records)))


def waiting_sentence(records: BuildRecords) -> str:
    """What is to be said of corrections that wait; "" where none does."""
    if records.build.get("stages") and "identities" not in records.build["stages"]:
        return ""
    count = waiting(read_corrections(records.folder), records)
    if not count:
        return ""
    waits = "waits" if count == 1 else "wait"
    return f"{counted(count, 'correction')} {waits} for the next `webbody build`."


def why_not(state: str) -> str:
    """Why a correction decides nothing; "" where it holds."""
    return _STATES.get(state, "")
