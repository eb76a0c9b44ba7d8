"""The figures of a release's card, counted again from its rows."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pipelines.release.write import CHANGES, CHANGES_SUMMARY, DOMAINS, FIGURES
from pipelines.verify.findings import Finding, error, some
from webbody.json_text import parse_json
from webbody.parquet_tables import read_parquet
from webbody.releases.changes import SCHEMA, summary
from webbody.releases.figures import SampleFigures, domain_table
from webbody.storage import Folder

_TELL = "fetch the release again, or tell its publisher"


def figure_findings(folder: Folder, counted: SampleFigures | None) -> Iterator[Finding]:
    """Figures that are not those of the rows, in the files from which the card was made."""
    if counted is None:
        return  # the rows are wrong, and that was told
    figures = _json(folder, FIGURES)
    if figures is None:
        yield error(FIGURES, "is missing, or no JSON", _TELL)
    else:
        right = json.loads(json.dumps(counted.to_json()))
        said = figures.get("samples") if isinstance(figures, dict) else None
        said = said if isinstance(said, dict) else {}
        wrong = [name for name in right if said.get(name) != right[name]]
        if wrong:
            yield error(FIGURES, f"has other figures than the rows ({some(wrong)})", _TELL)
    try:
        rows = list(csv.reader(io.StringIO(folder.read(DOMAINS).decode())))
    except (FileNotFoundError, UnicodeDecodeError, csv.Error):
        yield error(DOMAINS, "is missing, or no CSV", _TELL)
        return
    table = domain_table(counted.domains)
    names, counts = (table[name].to_pylist() for name in ("domain", "samples"))
    if rows[1:] != [[name, str(count)] for name, count in zip(names, counts, strict=True)]:
        yield error(DOMAINS, "has other domains or counts than the rows", _TELL)


def change_findings(folder: Folder) -> Iterator[Finding]:
    """Whether the summary of changes is that of the table of changes."""
    said = _json(folder, CHANGES_SUMMARY)
    try:
        with folder.open(CHANGES) as file:
            right = summary(read_parquet(file, schema=SCHEMA))
    except FileNotFoundError:
        yield error(CHANGES, "is missing", _TELL)
        return
    except (pa.ArrowException, OSError):
        yield error(CHANGES, "is no table of changes", _TELL)
        return
    if not isinstance(said, dict) or any(said.get(name) != n for name, n in right.items()):
        yield error(CHANGES_SUMMARY, "has other counts than the table of changes", _TELL)


def _json(folder: Folder, name: str) -> Any:
    try:
        return parse_json(folder.read(name))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
