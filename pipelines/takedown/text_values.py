"""Values in texts that a list of removals may contain: URLs, names, digests, ids.

A list holds hashes, so that a text cannot be searched for what was removed: everything in it that
may be an address or a name is asked for. Addresses may hold blanks, and nothing says where in a
line they end, or a name: so several readings of one place are asked for.
"""

import csv
import html
import re
from collections.abc import Iterator
from typing import Any

from webbody.json_text import parse_json
from webbody.removals import RemovalQuery

#: Endings of files that are read as text.
TEXTS = (
    "json", "jsonl", "ndjson", "csv", "tsv", "txt", "list", "lst", "log", "md", "html", "xml",
    "yaml", "yml", "cff", "",
)  # fmt: skip
_BEGIN = re.compile(r"https?://", re.IGNORECASE)
_END = re.compile(r"[\s\"'<>()\[\]{}|`]|$")
_MARKS = ".,;:!?"
_PARTS = re.compile(r"[\t,;:|\"<>()\[\]{}=`]+")
_DIGITS = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-f]{64}|[0-9a-f]{20}|\d{6,19})(?![0-9A-Za-z])")
#: Ends of an address in a line, and words of a name, that are tried.
_MOST_ENDS, _MOST_WORDS = 40, 6

Readings = list[RemovalQuery]


def text_values(data: bytes, ending: str, names: bool) -> Iterator[Readings]:
    """Everything in a text that may have been removed, each with its readings; all but once.

    names: whether names are looked for, too.
    """
    pieces, seen = set[str](), set[tuple[str, str]]()
    for piece, whole in _pieces(data.decode("utf-8", "replace"), ending):
        if piece not in pieces:
            pieces.add(piece)
            if whole and names and piece.strip():
                seen.add(("name", piece.strip()))
                yield [{"name": piece.strip()}]
            yield from _in_line(piece, names, seen)


def _pieces(text: str, ending: str) -> Iterator[tuple[str, bool]]:
    """Parts of a text, and whether each is a value of its own: a JSON text, a field of CSV."""
    if ending in ("html", "xml", "md"):
        text = html.unescape(text)
    if ending == "json":
        try:
            yield from ((one, True) for one in _strings(parse_json(text)))
            return
        except (ValueError, RecursionError):
            pass
    for line in text.splitlines():
        try:
            if ending in ("jsonl", "ndjson"):
                yield from ((one, True) for one in _strings(parse_json(line)))
                continue
            if ending in ("csv", "tsv"):
                separator = "\t" if ending == "tsv" else ","
                yield from ((one, True) for one in next(csv.reader([line], delimiter=separator)))
                continue
        except (ValueError, RecursionError, csv.Error, StopIteration):
            pass
        yield line, False


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from map(str, value)
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, str | int):
        yield str(value)


def _in_line(line: str, names: bool, seen: set[tuple[str, str]]) -> Iterator[Readings]:
    for begin in _BEGIN.finditer(line):
        rest = line[begin.start() :]
        ends = [found.start() for found in _END.finditer(rest)][: _MOST_ENDS - 1]
        readings = {rest[:end] for end in [*ends, len(rest)]}
        readings |= {one.rstrip(_MARKS) for one in readings}
        yield [{"url": one} for one in sorted(readings)]
    for found in _DIGITS.findall(line):
        if ("digits", found) not in seen:
            seen.add(("digits", found))
            yield _of_digits(found)
    for part in _PARTS.split(line) if names else ():
        words = part.split()
        for start in range(len(words)):
            for stop in range(start + 1, min(start + _MOST_WORDS, len(words)) + 1):
                name = " ".join(words[start:stop])
                if ("name", name) not in seen:
                    seen.add(("name", name))
                    yield [{"name": name}, {"name": name.strip(_MARKS + "'")}]


def _of_digits(text: str) -> Readings:
    readings: Readings = [{"sha256": text}] if len(text) == 64 else [{"sample": text}]
    if text.isdecimal() and len(text) < 20:
        readings.append({"person": int(text)})
    return readings
