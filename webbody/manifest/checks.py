"""What a row must be: the outcome of each row that is none."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webbody.manifest.arrays import bits, truths
from webbody.manifest.lines import BLANK, problem_column

#: Longer URLs are refused: servers do not accept them and they bloat every table; characters.
MAX_URL = 8000
_TRIMMED = " \t\r\n"
_URL = re.compile(r"(?i:https?)://[^/?# \x00-\x1f\x7f][^\x00-\x1f\x7f]*")
_DIGEST = r"^[0-9a-f]{64}$"


def checked(batch: pa.RecordBatch, named: bool = True) -> pa.RecordBatch:
    """Rows with their outcome.

    Args:
        batch: Columns lines, url, name, sha256, problem and those that are kept.
        named: Whether each row needs a name.

    Returns:
        Columns lines, url, name (without blanks around, null where nothing is left), sha256 (64
        hex digits), outcome (null for rows that can be used), detail and those that are kept.
    """
    lines, url, name, sha256, problem, *kept = batch.columns
    whole = truths(problem.is_null())
    url, name = _trimmed(url, whole), _trimmed(name, whole)
    sha256, no_digest = _digests(sha256)
    outcomes: dict[int, tuple[str, str | None]] = {}
    _note(outcomes, no_digest, "manifest:bad-sha256", "not 64 hex digits")
    for row, why in _bad_urls(url).items():
        outcomes[row] = ("manifest:bad-url", why)
    if named:
        _note(outcomes, _true(name.is_null()), "manifest:no-name", None)
    _note(outcomes, _true(url.is_null()), "manifest:no-url", None)
    for row in _true(problem.is_valid()):
        why = problem[row].as_py()
        outcomes[row] = ("manifest:blank-line", None) if why == BLANK else ("manifest:bad-row", why)
    outcome = problem_column({row: one for row, (one, _) in outcomes.items()}, batch.num_rows)
    detail = problem_column({row: two for row, (_, two) in outcomes.items()}, batch.num_rows)
    columns = [lines, url, name, sha256, outcome, detail]
    names = ["lines", "url", "name", "sha256", "outcome", "detail"]
    return pa.record_batch([*columns, *kept], [*names, *batch.schema.names[5:]])


def _note(
    outcomes: dict[int, tuple[str, str | None]], rows: list[int], outcome: str, detail: str | None
) -> None:
    outcomes.update(dict.fromkeys(rows, (outcome, detail)))


def _true(mask: pa.BooleanArray) -> list[int]:
    found: list[int] = np.flatnonzero(truths(mask)).tolist()
    return found


def _trimmed(texts: pa.StringArray, whole: np.ndarray) -> pa.StringArray:
    """Texts without blanks around them, null where nothing is left and in rows that are none."""
    limits, data = _bytes(texts)
    filled = np.diff(limits) > 0
    if filled.any():
        edges = np.concatenate([limits[:-1][filled], limits[1:][filled] - 1])
        if (data[edges] <= 32).any():
            texts = pc.utf8_trim(texts, _TRIMMED)
            filled = np.diff(_bytes(texts)[0]) > 0
    filled &= whole
    if filled.all():
        return texts
    bounds, data = texts.buffers()[1:]
    there = bits(np.concatenate([np.zeros(texts.offset, bool), filled]))
    return pa.StringArray.from_buffers(len(texts), bounds, data, there, offset=texts.offset)


def _bad_urls(urls: pa.StringArray) -> dict[int, str]:
    """What is wrong with URLs, by row; null is not. _URL decides where a URL looks odd at all."""
    limits, data = _bytes(urls)
    secure = truths(pc.starts_with(urls, "https://"))
    plain = truths(pc.starts_with(urls, "http://"))
    host = limits[:-1] + np.where(secure, 8, 7)
    odd = ~(secure | plain) | (host >= limits[1:]) | (np.diff(limits) > MAX_URL)
    if len(data):
        first = data.take(host, mode="clip")
        odd |= (first <= 32) | (first == 127)
        for byte in b"/?#":
            odd |= first == byte
        control = np.flatnonzero((data < 32) | (data == 127))
        odd[np.searchsorted(limits, control[control < limits[-1]], side="right") - 1] = True
    odd &= truths(urls.is_valid())
    found = {}
    for row in np.flatnonzero(odd).tolist():
        url = urls[row].as_py()
        if len(url) > MAX_URL:
            found[row] = f"longer than {MAX_URL} characters"
        elif not _URL.fullmatch(url):
            found[row] = "not an http or https URL"
    return found


def _digests(texts: pa.StringArray) -> tuple[pa.StringArray, list[int]]:
    """Digests in one form, and the rows whose digest is none."""
    if texts.null_count == len(texts):
        return texts, []
    texts = pc.utf8_lower(pc.utf8_trim(texts, _TRIMMED))
    texts = pc.replace_substring_regex(texts, r"^(sha256:|0x)", "")
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    return texts, _true(pc.invert(pc.match_substring_regex(texts, _DIGEST)))


def _bytes(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """Where each text begins and the last one ends, and the bytes of all."""
    _, bounds, data = texts.buffers()
    limits = np.frombuffer(bounds, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return limits.astype(np.int64), np.frombuffer(data or b"", np.uint8)
