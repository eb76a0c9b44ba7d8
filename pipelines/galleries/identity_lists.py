"""Reading lists of pictures and identities, written by hand or by programs."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from webbody.errors import WebbodyError
from webbody.list_text import text_lines
from webbody.plain_text import plain_text

ENDINGS = (".txt", ".tsv", ".csv")
#: Field separators in the order in which they are tried; None: blanks.
_SEPARATORS: dict[str, tuple[str | None, ...]] = {
    ".csv": (",", ";", "\t", None),
    ".tsv": ("\t", None, ",", ";"),
    ".txt": ("\t", None, ",", ";"),
}
#: Names of columns with paths and with identities, the most likely first.
_PATH = (
    "path", "image_path", "img_path", "file_path", "filepath", "imagepath", "file", "filename",
    "file_name", "image", "img", "image_file", "image_name", "image_id", "picture", "photo",
    "relative_path", "src",
)  # fmt: skip
_IDENTITY = (
    "identity", "person", "person_id", "personid", "identity_id", "subject", "subject_id",
    "celebrity", "who", "name", "label", "class", "class_id", "id", "pid",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """A picture of a list: its path, identity, and line number."""

    path: str
    identity: str
    line: int


@dataclass(frozen=True)
class _Columns:
    """The columns of a header: the separator, and the fields of path and identity.

    Both orders are possible if its words are unknown.
    """

    separator: str | None
    fields: tuple[tuple[int, int], ...]


def read_identity_list(file: Path) -> list[Listed]:
    """The pictures of a .txt, .tsv or .csv list with lines `path identity`, in its order.

    Fields are set apart by a comma, a semicolon, a tab or blanks, and may stand in quotes. A
    relative path starts at the list's folder; it may be written with `\\`. A heading names the
    columns, in any order; empty lines and lines that begin with # are left out. A path that holds
    separators itself is found because the picture is there.

    Raises WebbodyError with the number of the line for lines of another kind and for pictures that
    are not there.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise WebbodyError(f"{plain_text(file)}: cannot be read ({error.strerror}).") from error
    where, separators = plain_text(file), _SEPARATORS[file.suffix.lower()]
    columns: _Columns | None = None
    first = True
    out: list[Listed] = []
    missing: list[Listed] = []
    for number, line in enumerate(text_lines(data, where), 1):
        if not line.strip():
            continue
        pairs = list(_pairs(line, separators, columns))
        found = next((pair for pair in pairs if _there(file.parent, pair[0])), None)
        if found is None and line.lstrip().startswith("#"):
            continue
        if found is None and first and (columns := _heading(line, separators)):
            first = False
            continue
        first = False
        if not pairs:
            advice = "has a quote without an end" if '"' in line else "write it as `path identity`"
            raise WebbodyError(f"{where}, line {number}: {advice}.")
        path, identity = found or pairs[0]
        if not path or not identity:
            raise WebbodyError(f"{where}, line {number}: the path or the identity is missing.")
        listed = Listed(_there(file.parent, path) or path, identity, number)
        (missing if found is None else out).append(listed)
    if missing:
        raise WebbodyError(
            f"{where}, line {missing[0].line}: there is no picture {plain_text(missing[0].path)} "
            f"(paths start at the list's folder); {len(missing):,} of {len(missing) + len(out):,} "
            "pictures of the list are missing: fix the list or the folder."
        )
    return out


def _pairs(
    line: str, separators: Sequence[str | None], columns: _Columns | None
) -> Iterator[tuple[str, str]]:
    """Path and identity in all possible readings of a line, the most likely first."""
    if columns is not None:
        fields = _fields(line, columns.separator)
        for path, identity in columns.fields:
            if columns.separator is None and len(fields) > 1:
                ends = _ends(line)
                yield from ends if path < identity else [pair[::-1] for pair in ends]
            if len(fields) > max(path, identity):
                yield fields[path], fields[identity]
        return
    for separator in separators:
        fields = _fields(line, separator)
        if len(fields) < 2:
            continue
        if separator is None:
            yield from _ends(line)
            continue
        if len(fields) > 2:
            before, last = line.rsplit(separator, 1)
            yield _bare(before), _bare(last)
        yield fields[0], fields[1]


def _ends(line: str) -> list[tuple[str, str]]:
    """The two fields of a line that are set apart by blanks: one of them may hold blanks too."""
    quoted = re.fullmatch(r'\s*"([^"]+)"\s+(.*)', line)
    last, first = line.strip().rsplit(None, 1), line.strip().split(None, 1)
    both = [(_bare(pair[0]), _bare(pair[1])) for pair in (last, first)]
    return [(quoted[1], _bare(quoted[2])), *both] if quoted else both


def _heading(line: str, separators: Sequence[str | None]) -> _Columns | None:
    """The columns of a header line; None if it is a picture's line."""
    separator = next((one for one in separators if len(_fields(line, one)) >= 2), None)
    fields = [re.sub(r"[\s-]+", "_", field.lower()) for field in _fields(line, separator)]
    path = next((fields.index(word) for word in _PATH if word in fields), None)
    identity = next((fields.index(word) for word in _IDENTITY if word in fields), None)
    if len(fields) < 2 or (path is None and any(_like_a_path(field) for field in fields)):
        return None
    if path is None and identity is None:
        return _Columns(separator, ((0, 1), (1, 0)))
    if path is None:
        path = 1 if identity == 0 else 0
    if identity is None:
        identity = 1 if path == 0 else 0
    return _Columns(separator, ((path, identity),))


def _like_a_path(field: str) -> bool:
    return any(sign in field for sign in "/\\.") or field.isdigit()


def _fields(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    reader = csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True)
    try:
        return [field.strip() for field in next(reader, [])]
    except csv.Error:  # a quote that does not end, or not where a field does
        return []


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _there(folder: Path, path: str) -> str | None:
    """The file of a path in a list; None if it is missing."""
    slashed = path.replace("\\", "/")
    # macOS decomposes accented letters into two characters.
    ways = dict.fromkeys((path, slashed, normalize("NFC", slashed), normalize("NFD", slashed)))
    for written in filter(None, ways):
        full = os.path.normpath(os.path.join(folder, written))
        if os.path.isfile(full):
            return full
    return None
