"""Comparing files with recorded sizes and digests, on several cores."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from model.prefetch import prefetch
from webbody.storage import Folder
from webbody.storage_errors import UnreadableFile


@dataclass(frozen=True)
class NotedFile:
    """A file of a folder with the sha256 (hex) that it should have, and its bytes if known."""

    name: str
    sha256: str
    bytes: int | None = None


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compare(
    folder: Folder, files: Iterable[NotedFile], threads: int = 0
) -> Iterator[tuple[NotedFile, int, str]]:
    """Each file, the bytes that were read, and what is wrong with it ("" where nothing is).

    threads: as many as there are cores without it; hashing leaves the others running.
    """
    with ThreadPoolExecutor(threads or cores()) as pool:
        depth = 4 * (threads or cores())
        yield from prefetch(pool, lambda file: (file, *_compared(folder, file)), iter(files), depth)


def _compared(folder: Folder, file: NotedFile) -> tuple[int, str]:
    try:
        size = folder.size(file.name)
        if size is None:
            return 0, "is missing"
        if file.bytes is not None and size != file.bytes:
            return 0, f"has {size:,} bytes instead of {file.bytes:,}"
        found = folder.sha256(file.name)
    except UnreadableFile as problem:
        return 0, f"cannot be read ({problem.reason})"
    except OSError as problem:
        return 0, f"cannot be read ({problem.strerror or problem})"
    return size, "" if found == file.sha256 else "was changed: its sha256 is another"
