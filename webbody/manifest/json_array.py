"""The rows of a JSON array of objects, an element at a time: the file may be larger than memory."""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from webbody.errors import WebbodyError
from webbody.manifest.arrays import int_array, text_array
from webbody.manifest.lines import BLOCK, EXCERPT, MAX_LINE, LineCount, open_text, problem_column

_ROWS = 8192
_BLANK = re.compile(r"[\s\ufeff]*")
#: Where an element probably begins again behind one that cannot be read.
_AGAIN = re.compile(r",\s*(?=\{)")
_DECODER = json.JSONDecoder()
#: An element and no problem, or none and what is wrong.
_Found = tuple[Any, str | None]


def is_array(file: Path, lines: bool) -> bool:
    """Whether a text begins as a JSON array does.

    Args:
        file: The text.
        lines: It is called JSON Lines, so that it is an array only where an object comes first: the
            first line may be a broken one.
    """
    try:
        with open_text(file) as stream:
            head = stream.read(4096)
    except OSError:
        return False
    head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not lines:
        return head.startswith(b"[")
    return head.startswith(b"[") and head[1:].lstrip()[:1] in (b"{", b"]")


@dataclass(frozen=True)
class JsonArray:
    """How the elements of an array become rows.

    Args:
        columns: url, name, sha256 and what is kept -> the key that holds it.
        label: What the file is called in errors.
    """

    columns: dict[str, str]
    label: str

    def pieces(self, file: Path, count: LineCount) -> Iterator[pa.RecordBatch]:
        """Rows: lines (1), url, name, sha256, problem and the columns kept.

        Elements count as lines. One that cannot be read costs itself alone, as far as another one
        is found behind it.
        """
        with open_text(file) as stream:
            held: list[_Found] = []
            for found in _Elements(stream, self.label):
                held.append(found)
                if len(held) == _ROWS:
                    yield self._batch(held, count)
                    held = []
            if held:
                yield self._batch(held, count)

    def _batch(self, found: list[_Found], count: LineCount) -> pa.RecordBatch:
        rows, problems = len(found), {at: why for at, (_, why) in enumerate(found) if why}
        texts: dict[str, list[str | None]] = {name: [] for name in self.columns}
        for at, (value, _) in enumerate(found):
            for name, key in self.columns.items():
                text = _text(value.get(key)) if isinstance(value, dict) else None
                if text is not None and not _encodable(text):
                    problems[at] = f"not UTF-8: {key}"
                    text = text.encode(errors="replace").decode()
                texts[name].append(text)
        count.lines += rows
        columns = {name: text_array(values) for name, values in texts.items()}
        columns.setdefault("sha256", pa.nulls(rows, pa.string()))
        own = ("url", "name", "sha256")
        return pa.record_batch(
            {
                "lines": int_array(np.ones(rows, np.int64)),
                **{name: columns[name] for name in own},
                "problem": problem_column(dict(problems), rows),
                **{name: column for name, column in columns.items() if name not in own},
            }
        )


class _Elements:
    """The elements of the array in a stream."""

    def __init__(self, stream: IO[bytes], label: str) -> None:
        self._stream, self._label = stream, label
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._ended = "", 0, False

    def __iter__(self) -> Iterator[_Found]:
        self._skip_blanks()
        self._at += 1  # the bracket
        while self._skip_blanks():
            if self._text[self._at] == "]":
                self._at += 1
                if self._skip_blanks():
                    yield None, f"text behind the end of the array: {self._excerpt()}"
                return
            yield self._element()
        yield None, "the array is not closed: the file was cut off"

    def _element(self) -> _Found:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if not (self._may_go_on(error) and self._more()):
                    return self._broken()
                continue
            # A quote that is opened and not closed ends where the next element's first text begins.
            length = end - self._at
            if not isinstance(value, dict) and not self._ends_well(length):
                return self._broken()
            self._at += length
            break
        if self._skip_blanks() and self._text[self._at] == ",":
            self._at += 1
        wrong = None if isinstance(value, dict) else f"no object: {json.dumps(value)[:EXCERPT]}"
        return value, wrong

    def _broken(self) -> _Found:
        reason = f"no JSON: {self._excerpt()}"
        self._to_the_next()
        return None, reason

    def _ends_well(self, length: int) -> bool:
        """Whether an element of this length is followed by a comma or the end of the array."""
        while True:
            after = _BLANK.match(self._text, self._at + length).end()  # type: ignore[union-attr]
            if after < len(self._text):
                return self._text[after] in ",]"
            if not self._more():
                return True

    def _may_go_on(self, error: Exception) -> bool:
        """Whether an element is perhaps only not read to its end yet."""
        if not isinstance(error, json.JSONDecodeError) or len(self._text) - self._at > MAX_LINE:
            return False
        return "nterminated string" in error.msg or error.pos >= len(self._text) - 16

    def _to_the_next(self) -> None:
        """Go to where an element begins again, or to the end."""
        self._at += 1
        while True:
            if again := _AGAIN.search(self._text, self._at):
                self._at = again.end()
                return
            end = self._text.rstrip()
            if self._ended and end.endswith("]") and len(end) > self._at:
                self._at = len(end) - 1
                return
            self._at = max(self._at, len(self._text) - EXCERPT)
            if not self._more():
                self._at = len(self._text)
                return

    def _skip_blanks(self) -> bool:
        """Go to what comes next; whether there is anything."""
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return True
            if not self._more():
                return False

    def _more(self) -> bool:
        """Read on, and drop what is done with; whether there was more."""
        if self._ended:
            return False
        try:
            data = self._stream.read(BLOCK)
        except (OSError, EOFError) as error:
            raise WebbodyError(
                f"{self._label}: cannot be uncompressed to its end ({error}); the file is damaged "
                "or was cut off, get it again."
            ) from error
        self._ended = not data
        self._text = self._text[self._at :] + self._decoder.decode(data, self._ended)
        self._at = 0
        return not self._ended

    def _excerpt(self) -> str:
        text = self._text[self._at : self._at + EXCERPT]
        return text.encode(errors="replace").decode().strip()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
