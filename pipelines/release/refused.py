"""Samples that must not be published: known harmful ones, those taken down, and secrets."""

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.release.known_harm import KnownHarm
from webbody.errors import WebbodyError
from webbody.plain_text import counted
from webbody.redaction import redacted
from webbody.releases.private_urls import urls_granting_access
from webbody.removals import Removals
from webbody.storage import Folder

_COLUMNS = ("key", "url", "person", "sha256", "phash")
_ENDING = ".refused.csv"
_HARM, _GONE, _SECRET = "known harm", "taken down", "secret in its URL"
_TOLD = {
    _HARM: "of the list of known harm",
    _GONE: "that were taken down",
    _SECRET: "whose URLs hold a password or a signature that opens a store",
}
_TAKE_DOWN = "take them down with `webbody takedown` and build again"
_MENDED = {
    _HARM: _TAKE_DOWN,
    _GONE: _TAKE_DOWN,
    _SECRET: "list such URLs as everybody may have, or leave those rows out, and build again",
}


class Refusal:
    """Checks the rows of a release as they come; `check` raises an error if any is refused."""

    def __init__(self, harm: KnownHarm | None, removals: Removals) -> None:
        self._harm, self._removals = harm, removals
        self._found: list[dict[str, Any]] = []

    def add(self, table: pa.Table) -> None:
        """Look at some rows."""
        if self._harm is not None:
            self._note(table, self._harm.found(table), _HARM)
        secret = np.zeros(len(table), bool)
        secret[urls_granting_access(table["url"])] = True
        self._note(table, secret, _SECRET)
        if self._removals:
            rows = table.select(["key", "url", "sha256", "person"]).to_pylist()
            gone = [self._removals.contains(sample=row.pop("key"), **row) for row in rows]
            self._note(table, np.array(gone, bool), _GONE)

    def _note(self, table: pa.Table, which: np.ndarray, why: str) -> None:
        rows = table.select(_COLUMNS).filter(pa.array(which)).to_pylist()
        self._found += [{**row, "url": redacted(row["url"]), "why": why} for row in rows]

    def check(self, target: Path) -> None:
        """Raise a WebbodyError if anything was found, and list it beside `target`."""
        if not self._found:
            return
        listed = target.with_name(target.name + _ENDING)
        with Folder(listed.parent).write(listed.name) as file:
            text = csv_text([*_COLUMNS, "why"], [list(row.values()) for row in self._found])
            file.write(text.encode("utf-8", "surrogateescape"))
        counts = Counter(row["why"] for row in self._found)
        told = " and ".join(f"{counted(counts[why], 'sample')} {_TOLD[why]}" for why in counts)
        mend = [_MENDED[why] for why in counts]
        raise WebbodyError(
            f"The release is refused: it would have {told} (listed in {listed}); "
            f"{', and '.join(dict.fromkeys(mend))}."
        )


def csv_text(columns: list[str], rows: list[list[Any]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
