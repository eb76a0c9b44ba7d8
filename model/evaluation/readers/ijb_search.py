"""The lists of one-against-many (1:N) of IJB-B and IJB-C: templates, their people and roles."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from webbody.errors import WebbodyError

#: How the halves of the gallery are called in names of files.
_HALVES = {"ijbb": ("S1", "S2"), "ijbc": ("G1", "G2")}
#: The roles of the two halves of the gallery, and that of the probes.
HALVES, PROBE = ("gallery_1", "gallery_2"), "probe"
#: A row for each template of each role, even where a list has a row for each of its images.
SCHEMA = pa.schema([("template", pa.int64()), ("person", pa.int64()), ("role", pa.string())])


def search_lists(meta: Path, name: str) -> dict[str, Path]:
    """The list of each role; name: `ijbb` or `ijbc`."""
    galleries = [f"{name}_1N_gallery_{half}.csv" for half in _HALVES[name]]
    files = [*galleries, f"{name}_1N_probe_mixed.csv"]
    return {role: meta / file for role, file in zip([*HALVES, PROBE], files, strict=True)}


def read_search(lists: Mapping[str, Path], known: NDArray[np.int64]) -> pa.Table:
    """Templates and roles (`SCHEMA`); known: the templates that have images.

    A list has a line of heading, then TEMPLATE,SUBJECT and any further fields. Raises
    WebbodyError for another kind of list, a template without images, and one of two people.
    """
    rows = [_read(path) for path in lists.values()]
    template_N, person_N = (
        np.concatenate([table[name].to_numpy() for table in rows]) for name in SCHEMA.names[:2]
    )
    role_N = np.repeat(list(lists), [len(table) for table in rows])
    line_N = np.concatenate([np.arange(len(table)) for table in rows]) + 2
    _, first, place_N = np.unique(template_N, return_index=True, return_inverse=True)
    other_N = person_N[first[place_N]]
    for wrong_N, told in (
        (~np.isin(template_N, known), "template {0} has no images"),
        (person_N != other_N, "template {0} is of subject {1}, and in another line of {2}"),
    ):
        if wrong_N.any():
            row = int(wrong_N.argmax())
            wrong = told.format(template_N[row], person_N[row], other_N[row])
            raise WebbodyError(f"{lists[str(role_N[row])]}: line {line_N[row]}: {wrong}")
    table = pa.table([template_N, person_N, pa.array(role_N, pa.string())], schema=SCHEMA)
    return table.group_by(SCHEMA.names, use_threads=False).aggregate([]).select(SCHEMA.names)


def _read(path: Path) -> pa.Table:
    """Templates and people of the lines of a list."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        fields = file.readline().split(",")[:2]
    if all(field.strip().isdigit() for field in fields):
        raise WebbodyError(f"{path}: line 1 should be a heading, and it is {','.join(fields)}")
    try:
        # With threads, errors do not say which row is wrong.
        table = pa.csv.read_csv(
            path,
            pa.csv.ReadOptions(skip_rows=1, autogenerate_column_names=True, use_threads=False),
            pa.csv.ParseOptions(quote_char=False),
            pa.csv.ConvertOptions(
                column_types={"f0": pa.int64(), "f1": pa.int64()},
                include_columns=["f0", "f1"],
                null_values=[],
                check_utf8=False,
            ),
        )
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WebbodyError(
            f"{path}: after a line of heading, its lines should be a template, a subject and any "
            f"further fields, separated by commas ({reason})"
        ) from error
    return table.rename_columns(SCHEMA.names[:2])
