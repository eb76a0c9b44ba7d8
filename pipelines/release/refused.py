"""Samples that must not be published: known harm, and what was taken down before."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.release.known_harm import KnownHarm
from webbody.errors import WebbodyError
from webbody.removals import Removals
from webbody.storage import Folder

_COLUMNS = ("key", "url", "person", "sha256", "phash")
_ENDING = ".refused.csv"


class Refusal:
    """Looks at the rows of a release as they come, and refuses it at the end if it must."""

    def __init__(self, harm: KnownHarm | None, removals: Removals) -> None:
        self._harm, self._removals = harm, removals
        self._found: list[dict[str, Any]] = []

    def add(self, table: pa.Table) -> None:
        """Look at some rows."""
        if self._harm is not None:
            self._note(table, self._harm.found(table), "known harm")
        if self._removals:
            rows = table.select(["key", "url", "sha256", "person"]).to_pylist()
            gone = [self._removals.names(sample=row.pop("key"), **row) for row in rows]
            self._note(table, np.array(gone, bool), "taken down")

    def _note(self, table: pa.Table, which: np.ndarray, why: str) -> None:
        rows = table.select(_COLUMNS).filter(pa.array(which)).to_pylist()
        self._found += [{**row, "why": why} for row in rows]

    def check(self, target: Path) -> None:
        """Raise a WebbodyError if anything was found, and list it beside `target`."""
        if not self._found:
            return
        listed = target.with_name(target.name + _ENDING)
        with Folder(listed.parent).write(listed.name) as file:
            text = csv_text([*_COLUMNS, "why"], [list(row.values()) for row in self._found])
            file.write(text.encode("utf-8", "surrogateescape"))
        harm = sum(row["why"] == "known harm" for row in self._found)
        kinds = {"of the list of known harm": harm, "that were taken down": len(self._found) - harm}
        told = " and ".join(f"{n:,} samples {what}" for what, n in kinds.items() if n)
        raise WebbodyError(
            f"The release is refused: it would have {told} (listed in {listed}); take them down "
            "with `webbody takedown` and build again."
        )


def csv_text(columns: list[str], rows: list[list[Any]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
