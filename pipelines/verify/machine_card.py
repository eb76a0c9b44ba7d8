"""croissant.json of a release: valid, and about the files that are there."""

import logging
from collections.abc import Iterator
from typing import Any

from pipelines.release.write import CROISSANT
from pipelines.verify.findings import Finding, error
from webbody.json_text import parse_json
from webbody.releases.format import ReleaseInfo
from webbody.storage import Folder

_FETCH = "fetch the release again, or tell its publisher"


def croissant_findings(folder: Folder, info: ReleaseInfo) -> Iterator[Finding]:
    """What is wrong with the Croissant metadata as far as this program can tell by itself."""
    try:
        said: Any = parse_json(folder.read(CROISSANT))
        files = {
            one["contentUrl"]: one["sha256"]
            for one in said["distribution"]
            if one["@type"].endswith("FileObject")
        }
    except FileNotFoundError:
        yield error(CROISSANT, "is missing", _FETCH)
        return
    except (ValueError, KeyError, TypeError, RecursionError):
        yield error(CROISSANT, "is no description of files", _FETCH)
        return
    right = {name: file.sha256 for name, file in info.files.items()}
    if {name: files.get(name) for name in right} != right:
        yield error(CROISSANT, "describes other data files than release.json", _FETCH)
    if said.get("version") != info.version:
        yield error(CROISSANT, "is of another version than release.json", _FETCH)


def validate(folder: Folder) -> tuple[list[Finding], str]:
    """What mlcroissant says, and why it was not asked ("" where it was)."""
    if not folder.local:
        return [], f"{CROISSANT} was not validated: only that of a local release is"
    try:
        import mlcroissant
    except ImportError:
        return [], f"{CROISSANT} was not validated: mlcroissant is not installed"
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        mlcroissant.Dataset(jsonld=folder.path(CROISSANT))
    except Exception as problem:  # whatever it finds wrong has a class of its own
        first = str(problem).strip().splitlines()
        message = next(
            (line.strip() for line in first if "  -  " in line), first[0] if first else ""
        )
        return [error(CROISSANT, f"is not valid ({message})", _FETCH)], ""
    return [], ""
