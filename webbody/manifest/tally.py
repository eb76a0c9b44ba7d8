"""How many lines of a manifest can be used, and why the others cannot."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from webbody.errors import WebbodyError
from webbody.manifest.arrays import ints
from webbody.manifest.parts import ListParts, place_of
from webbody.manifest.reader import Manifest
from webbody.plain_text import plain_text

_EXAMPLES = 3
_REASONS = 3


@dataclass(frozen=True)
class RejectedLine:
    """A line of a file, counted from 1, and why it is no row; `file` where there are several."""

    file: str | None
    line: int
    outcome: str
    detail: str

    @property
    def place(self) -> str:
        """Where it stands."""
        return place_of(self.file, self.line)


@dataclass
class ManifestTally:
    """Every line of a manifest's files: `accepted` + `rejected` + `continued` + `header` = `lines`.

    Of Parquet, lines are rows. `continued` lines are the rest of rows whose quoted fields go on
    over several lines of CSV. `examples` has the first few lines of each reason.
    """

    lines: int = 0
    header: int = 0
    continued: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[RejectedLine]] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Rows that cannot be used."""
        return self.reasons.total()


def tallied(manifest: Manifest, tally: ManifestTally) -> Iterator[pa.RecordBatch]:
    """The manifest's rows (Manifest.rows), which are counted in `tally` as they go by."""
    tally.header = tally.lines = manifest.parts.headers
    for batch in manifest.rows():
        lines = ints(batch.column("lines")).sum()
        tally.lines += int(lines)
        tally.continued += int(lines) - batch.num_rows
        outcomes = batch.column("outcome")
        tally.accepted += outcomes.null_count
        if outcomes.null_count < len(outcomes):
            _note(batch.filter(outcomes.is_valid()), manifest.parts, tally)
        yield batch


def _note(rejected: pa.RecordBatch, parts: ListParts, tally: ManifestTally) -> None:
    files, lines = parts.places(rejected.column("row"))
    outcomes = rejected.column("outcome").to_pylist()
    tally.reasons.update(outcomes)
    for at, outcome in enumerate(outcomes):
        known = tally.examples.setdefault(outcome, [])
        if len(known) < _EXAMPLES:
            detail = rejected.column("detail")[at].as_py()
            text = " ".join(filter(None, [detail, rejected.column("url")[at].as_py()]))
            known.append(RejectedLine(files[at].as_py(), lines[at].as_py(), outcome, text))


def refuse_unusable(path: str, tally: ManifestTally) -> None:
    """Raises WebbodyError where not one row can be used, with the most frequent reasons."""
    if tally.accepted:
        return
    if not tally.rejected:
        raise WebbodyError(f"{path}: has no rows; it needs rows with url and name.")
    reasons = []
    for outcome, count in tally.reasons.most_common(_REASONS):
        first = tally.examples[outcome][0]
        reasons.append(f"{count:,} {outcome} ({first.place}: {plain_text(first.detail, 100)})")
    raise WebbodyError(
        f"{path}: none of its {tally.rejected:,} rows can be used: {', '.join(reasons)}; "
        "manifests/README.md has the formats, docs/manifests.md the options that say which column "
        "is which."
    )
