"""SHA256SUMS of a release: the digests of all its other files, as `sha256sum` writes them."""

import re
from collections.abc import Iterator

from pipelines.release.write import SUMS
from pipelines.verify.digests import NotedFile
from pipelines.verify.findings import Finding, error, some, warning
from webbody.storage import Folder

_FETCH = "fetch the release again"
_LINE = re.compile(r"([0-9a-f]{64})  ((?!/)[^\0\n]+)")


def read_sums(folder: Folder) -> tuple[list[NotedFile], list[Finding]]:
    """The files that are listed, and what is wrong with the list."""
    try:
        text = folder.read(SUMS).decode()
    except FileNotFoundError:
        return [], [error(SUMS, "is missing, so cards and pages cannot be checked", _FETCH)]
    except UnicodeDecodeError:
        return [], [error(SUMS, "was changed: it is no text", _FETCH)]
    noted, wrong = [], []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        found = _LINE.fullmatch(line)
        if found is None or ".." in found[2].split("/"):
            wrong.append(number)
        else:
            noted.append(NotedFile(found[2], found[1]))
    findings = []
    if wrong or not text.endswith("\n"):
        message = (
            f"has lines that are not a digest and a name (line {some(wrong)})" if wrong else ""
        )
        findings.append(error(SUMS, message or "does not end with a line", _FETCH))
    return noted, findings


def unlisted(folder: Folder, noted: list[NotedFile]) -> Iterator[Finding]:
    """Files of a local release that the list does not have."""
    if not folder.local or not noted:
        return
    listed = {file.name for file in noted} | {SUMS}
    found = [*folder.names(), *(f"data/{name}" for name in folder.names("data"))]
    extra = [n for n in found if n not in listed and n != "data" and not n.startswith(".")]
    if extra:
        yield warning(SUMS, f"does not list {some(extra)}", "they are no part of the release")
