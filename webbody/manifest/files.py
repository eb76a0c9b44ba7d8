"""Which files a list is made of: one, those of a folder or a pattern, or those that are named."""

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from webbody.errors import WebbodyError
from webbody.list_text import text_lines
from webbody.manifest.layout import file_name, known_format
from webbody.manifest_forms import FILES, NAMED_IN, PATTERN, named_files
from webbody.plain_text import counted, plain_text
from webbody.redaction import redacted
from webbody.storage import Folder

#: Beginnings of names that mark a file as no part of a list: hidden ones, and what programs that
#: write folders of parts leave beside these (`_SUCCESS`, `_metadata`).
_SET_ASIDE = (".", "_")
_WEB = ("http://", "https://")
#: How many files are named that are left out.
_SHOWN = 5


@dataclass(frozen=True)
class ListFiles:
    """The files of a list, in their order.

    Args:
        paths: A path or URL each.
        names: What each is called where its lines are told, and in the digest; none is there twice.
        several: Whether the list is of a form that may hold several files.
        uniform: Whether all must be of one format.
        where: What the list is recognised by when it is read again, without secrets.
        notes: Sentences for the user about what is left out.
    """

    paths: list[str]
    names: list[str]
    several: bool
    uniform: bool
    where: str
    notes: list[str]


def list_files(text: str) -> ListFiles:
    """The files of a path, a URL or one of the forms of `webbody.manifest_forms`.

    Raises:
        WebbodyError: There are none, one is named twice, or the place cannot be read.
    """
    if text.startswith(PATTERN):
        return _matching(text)
    if text.startswith(FILES):
        paths = named_files(text)
        where = json.dumps([_recognised(path) for path in paths], ensure_ascii=False)
        return _named(text, paths, FILES + where)
    if text.startswith(NAMED_IN):
        source = text.removeprefix(NAMED_IN)
        return _named(text, _lines(text, source), NAMED_IN + _recognised(source))
    if _is_folder(text):
        return _inside(text)
    return ListFiles([text], [file_name(text)], False, False, _recognised(text), [])


def _inside(text: str) -> ListFiles:
    """The files of a folder whose names end as those of lists do."""
    files, folders = _listed(text, text, lambda place: place.fs.ls(place.root, detail=True))
    names = sorted(path.rsplit("/", 1)[-1] for path in files)
    names = [name for name in names if not name.startswith(_SET_ASIDE)]
    kept = [name for name in names if known_format(name)]
    other = [name for name in names if not known_format(name)]
    notes = []
    if other:
        shown = ", ".join(plain_text(name, 100) for name in other[:_SHOWN])
        dots = ", ..." if len(other) > _SHOWN else ""
        verb = "ends as no list does and is" if len(other) == 1 else "end as no list does and are"
        notes.append(f"{text}: {counted(len(other), 'file')} {verb} not read: {shown}{dots}.")
    if folders:
        verb = "is" if folders == 1 else "are"
        notes.append(f"{text}: {counted(folders, 'folder')} in it {verb} not read.")
    if not kept:
        raise WebbodyError(
            f"Manifest {text} is a folder without any list in it; its files are to end with "
            f".parquet, .csv, .jsonl or .txt{f' ({notes[0]})' if notes else ''}."
        )
    base = text.rstrip("/") or "/"
    paths = [f"{base.rstrip('/')}/{name}" for name in kept]
    return ListFiles(paths, kept, True, True, _recognised(text), notes)


def _matching(text: str) -> ListFiles:
    """The files that a pattern matches, whatever they end with."""
    pattern = text.removeprefix(PATTERN)
    if pattern.startswith(_WEB):
        raise WebbodyError(f"{text}: the web has no folders; name the files.")
    last = pattern.rsplit("/", 1)[-1]
    found, folders = _listed(text, pattern, lambda place: place.fs.glob(place.root, detail=True))
    paths = sorted(
        path
        for path in found
        if last.startswith(_SET_ASIDE) or not path.rsplit("/", 1)[-1].startswith(_SET_ASIDE)
    )
    if not paths:
        besides = f", only {counted(folders, 'folder')}" if folders else ""
        raise WebbodyError(f"{text}: matches no file{besides}; check the pattern.")
    notes = [f"{text}: also matches {counted(folders, 'folder')}, not read."] if folders else []
    return ListFiles(paths, _short_names(paths), True, True, PATTERN + _recognised(pattern), notes)


def _named(text: str, paths: list[str], where: str) -> ListFiles:
    """Files that are named one by one."""
    for path in paths:
        if _is_folder(path):
            raise WebbodyError(f"{text}: {path} is a folder; a list of files names single files.")
    counts = Counter(redacted(path) if "://" in path else os.path.abspath(path) for path in paths)
    for path, count in counts.items():
        if count > 1:
            raise WebbodyError(f"{text}: {path} is named twice; name each file once.")
    return ListFiles(paths, _short_names(paths), True, False, where, [])


def _lines(text: str, source: str) -> list[str]:
    """The paths and URLs of a text file; paths are relative to its folder."""
    parent = "" if "/" not in source else source.rpartition("/")[0] + "/"
    try:
        with fsspec.open(source, "rb") as file:
            lines = text_lines(file.read(), source)
    except (OSError, ValueError, ImportError) as error:
        raise WebbodyError(
            f"Manifest {text}: {source} cannot be read ({_said(error)}); check --manifest."
        ) from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise WebbodyError(f"Manifest {text}: {source} names no file; it needs one a line.")
    return [name if "://" in name or name.startswith("/") else parent + name for name in names]


def _listed(text: str, url: str, ask: Callable[[Folder], Any]) -> tuple[list[str], int]:
    """The files among what a file system finds, as paths or URLs, and how many folders."""
    place = Folder(url)
    try:
        found = ask(place)
    except (OSError, ValueError, NotImplementedError) as error:
        raise WebbodyError(
            f"Manifest {text} cannot be looked into ({_said(error)}); check --manifest."
        ) from error
    infos = list(found.values()) if isinstance(found, dict) else list(found)
    # A link that leads nowhere is among the files, so that it is told when it is opened.
    files = [str(info["name"]) for info in infos if info["type"] != "directory"]
    folders = sum(info["type"] == "directory" for info in infos)
    return [path if place.local else place.fs.unstrip_protocol(path) for path in files], folders


def _is_folder(path: str) -> bool:
    """Whether a path or URL is a folder; an address on the web is always a file."""
    if "://" not in path:
        return os.path.isdir(path)
    if path.startswith(_WEB):
        return False
    try:
        fs, root = fsspec.core.url_to_fs(path)
        return bool(fs.isdir(root))
    except (OSError, ValueError, ImportError, NotImplementedError):
        return False  # told when it is opened


def _short_names(paths: Sequence[str]) -> list[str]:
    """The files' names, with as many of the folders above as tell them apart."""
    parts = [_without_query(redacted(path)).split("/") for path in paths]
    for depth in range(1, 1 + max(map(len, parts))):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [redacted(path) for path in paths]


def _without_query(path: str) -> str:
    if path.startswith(_WEB):
        return path.split("#")[0].split("?")[0]
    return path if "://" in path else os.path.abspath(path)


def _recognised(path: str) -> str:
    return redacted(path) if "://" in path else str(Path(path).resolve())


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
