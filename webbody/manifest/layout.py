"""How a manifest is laid out: its format, what parts its fields, and which column is which."""

from dataclasses import dataclass, replace
from pathlib import Path

from webbody.errors import WebbodyError
from webbody.manifest.lines import COMPRESSED, open_text
from webbody.plain_text import plain_text

#: Instead of the names of columns to keep: all that there are.
EVERY = "*"
FORMATS = ("parquet", "csv", "jsonl", "text")
#: Separators by name; any other single character stands for itself.
SEPARATORS = {"blank": " ", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_ENDINGS = {
    "parquet": "parquet", "pq": "parquet", "csv": "csv", "tsv": "csv",
    "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl",
    "txt": "text", "list": "text", "lst": "text",
}  # fmt: skip


@dataclass(frozen=True)
class ManifestLayout:
    """What is known of a manifest's layout; what is empty is found out when it is opened.

    `url`, `name` and `sha256` are names of columns, or their positions from 1 in text lists and in
    CSV without a header. `keep` are further columns that are handed on, EVERY for all others that a
    Parquet or CSV file has. A separator is one of SEPARATORS or one character. With `released`, the
    `person` of a released manifest counts as the name where there is no `name`. Where it is not
    `named` a row needs a URL alone, and a text list may be one of URLs.
    """

    format: str = ""
    separator: str = ""
    url: str = ""
    name: str = ""
    sha256: str = ""
    keep: tuple[str, ...] = ()
    released: bool = False
    named: bool = True

    def __post_init__(self) -> None:
        if self.format and self.format not in FORMATS:
            raise WebbodyError(
                f"{plain_text(self.format)} is no format of manifests; choose one of "
                f"{', '.join(FORMATS)}."
            )
        single = len(self.separator) == 1 and self.separator.isascii()
        if self.separator and not (single or self.separator in SEPARATORS):
            raise WebbodyError(
                f"{plain_text(self.separator)} is no separator; give one ASCII character or one of "
                f"{', '.join(SEPARATORS)}."
            )
        if self.separator in ('"', "\r", "\n"):
            raise WebbodyError("Quotes and line ends are no separators; give another one.")
        if self.format in ("parquet", "jsonl") and self.separator:
            raise WebbodyError(f"A {self.format} manifest has no separator; leave it out.")
        positions = [value.isdecimal() for value in (self.url, self.name, self.sha256) if value]
        positions += [value.isdecimal() for value in self.keep if value != EVERY]
        if any(positions) and (not all(positions) or not self.url or not self.name):
            raise WebbodyError(
                "Columns are given by name or all by position; by position url and name are needed."
            )
        if "0" in (self.url, self.name, self.sha256, *self.keep):
            raise WebbodyError("Positions of columns count from 1; give no 0.")
        taken = [value for value in (self.url, self.name, self.sha256, *self.keep) if value]
        if len(taken) != len(set(taken)):
            raise WebbodyError("A column can be only one of url, name, sha256 and those to keep.")
        if EVERY in self.keep and self.keep != (EVERY,):
            raise WebbodyError(f"{EVERY} keeps all columns; give no other beside it.")
        if own := {"url", "name", "sha256"} & set(self.keep):
            raise WebbodyError(
                f"A column that is kept cannot be called {' or '.join(sorted(own))}, which a "
                "manifest has itself; rename it."
            )

    @property
    def positional(self) -> bool:
        """Whether columns are given by their positions, so that no line is a header."""
        return self.url.isdecimal()


def detect_layout(layout: ManifestLayout, path: str, file: Path) -> ManifestLayout:
    """The layout with what was left open: format and separator by ending or else by content.

    Raises:
        WebbodyError: The format cannot be told, or cannot be read as it was asked for.
    """
    kind = layout.format or _format(path, file)
    if kind == "text" and layout.url and not layout.positional:
        raise WebbodyError(f"{path}: a text list has no names of columns; give their positions.")
    if EVERY in layout.keep and (layout.positional or kind not in ("parquet", "csv")):
        raise WebbodyError(f"{path}: name the columns to keep; {EVERY} is for Parquet and CSV.")
    if kind in ("parquet", "jsonl") and layout.positional:
        raise WebbodyError(f"{path}: columns of {kind} are given by their names, not positions.")
    separator = SEPARATORS.get(layout.separator, layout.separator)
    if kind == "csv" and not separator:
        separator = "\t" if _endings(path)[-1:] == ["tsv"] else ","
    elif kind == "text" and not separator:
        separator = " "
    if layout.positional:
        return replace(layout, format=kind, separator=separator)
    return replace(
        layout,
        format=kind,
        separator=separator,
        url=layout.url or "url",
        name=layout.name or "name",
    )


def file_name(path: str) -> str:
    """The name of a file by its path or URL; a web address's query, such as a signature, is none
    of it.
    """
    if path.startswith(("http://", "https://")):
        path = path.split("#")[0].split("?")[0]
    return path.rsplit("/", 1)[-1]


def _endings(path: str) -> list[str]:
    """What stands behind the points of the file's name, but for those of compressed files."""
    name = file_name(path).lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return name.split(".")[1:]


def known_format(path: str) -> str:
    """The format that a file's name says it has; "" where it says none."""
    ending = _endings(path)[-1:]
    return _ENDINGS.get(ending[0], "") if ending else ""


def says_lines(path: str) -> bool:
    """Whether a file's name says that it is JSON Lines, not any JSON."""
    return _endings(path)[-1:] in (["jsonl"], ["ndjson"])


def _format(path: str, file: Path) -> str:
    if known := known_format(path):
        return known
    with file.open("rb") as stream:
        if stream.read(4) == b"PAR1":
            return "parquet"
    try:
        with open_text(file) as stream:
            head = stream.read(4096)
    except OSError:
        head = b""
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        return "jsonl"
    first = head.split(b"\n", 1)[0].lower()
    if b"url" in first and b"," in first:
        return "csv"
    if first.split()[:1] and first.split()[0].isdigit():
        return "text"
    if first.startswith((b"http://", b"https://")):
        return "text"
    raise WebbodyError(
        f"{path}: is none of {', '.join(FORMATS)}; name it .parquet, .csv, .jsonl or .txt, or say "
        "its format."
    )
