"""One file of a list, opened: here on the local disk, its layout detected, its columns found."""

from dataclasses import dataclass
from pathlib import Path

import fsspec
import pyarrow as pa

from webbody.errors import WebbodyError
from webbody.manifest.layout import ManifestLayout, detect_layout, known_format
from webbody.manifest.source import KEPT, ManifestSource, open_source
from webbody.manifest.wide_text import refuse_wide_text
from webbody.plain_text import plain_text

_LOCAL = "file://"


@dataclass(frozen=True)
class ListPart:
    """A file of a list.

    Args:
        path: The path or URL that it was given by.
        name: What it is called where its lines are told.
        file: Its bytes on the local disk.
        layout: Its format and columns.
        source: Its rows.
    """

    path: str
    name: str
    file: Path
    layout: ManifestLayout
    source: ManifestSource


def open_part(path: str, name: str, layout: ManifestLayout, copy: Path) -> ListPart:
    """Open a file of a list; what is not on the local disk is copied to `copy` first.

    Raises:
        WebbodyError: It is missing, empty, of an unknown format or lacks a column.
    """
    file = _on_disk(path, copy)
    if "parquet" not in (layout.format, known_format(path)):
        refuse_wide_text(file, path)
    layout = detect_layout(layout, path, file)
    return ListPart(path, name, file, layout, open_source(path, file, layout))


def as_before(batch: pa.RecordBatch, schema: pa.Schema, path: str) -> pa.RecordBatch:
    """Rows of a file with columns as those of the files before it have them.

    Raises:
        WebbodyError: A column that is kept is of another type, which cannot be turned into it.
    """
    try:
        return batch.select(schema.names).cast(schema)
    except (pa.ArrowException, ValueError) as error:
        name = next(one for one in schema.names if batch.schema.field(one) != schema.field(one))
        raise WebbodyError(
            f"{path}: its column {plain_text(name.removeprefix(KEPT))} has type "
            f"{batch.schema.field(name).type}, that of the files before it "
            f"{schema.field(name).type}; write them alike, or do not keep the column."
        ) from error


def _on_disk(path: str, copy: Path) -> Path:
    if "://" not in path or path.startswith(_LOCAL):
        file = Path(path.removeprefix(_LOCAL))
        if not file.is_file():
            raise WebbodyError(f"Manifest {path} does not exist; check --manifest.")
    else:
        file = copy
        try:
            with fsspec.open(path, "rb") as source, file.open("wb") as target:
                while block := source.read(1 << 22):
                    target.write(block)
        except (OSError, ValueError, ImportError) as error:
            lines = str(error).strip().splitlines()
            said = lines[0] if lines else type(error).__name__
            raise WebbodyError(
                f"Manifest {path} cannot be fetched ({said}); check --manifest."
            ) from error
    if file.stat().st_size == 0:
        raise WebbodyError(f"Manifest {path} is empty; it needs a row for each picture.")
    return file
