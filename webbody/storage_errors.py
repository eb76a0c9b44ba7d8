"""What goes wrong in files of a disk, a network file system or an object store, as one sentence."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from webbody.errors import WebbodyError
from webbody.plain_text import plain_text

T = TypeVar("T")

_ROOM = {
    errno.ENOSPC: "no space is left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
}
_REASONS = _ROOM | {
    errno.EACCES: "permission was denied",
    errno.EPERM: "permission was denied",
    errno.EIO: "the device answers with an input/output error",
    errno.ESTALE: "the network file system lost the file (stale handle)",
}
#: Libraries of object stores, whose errors are not all OSErrors.
_CLIENTS = ("botocore", "aiobotocore", "s3fs", "gcsfs", "google", "azure", "adlfs", "aiohttp")
_NO_ROOM, _DENIED, _SLOW = 507, (401, 403), (408, 429, 500, 502, 503, 504)
_LONGEST = 200


class UnreadableFile(WebbodyError):
    """A file is there and cannot be read; `reason` says why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"Cannot read {path}: {reason}; mend that and run the same command again.")
        self.reason = reason


@contextmanager
def write_errors(where: str) -> Iterator[None]:
    """Turn what a disk or store answers into one sentence.

    Only for what writes below `where` and reads nothing: an error does not say which it was.
    """
    try:
        yield
    except Exception as error:
        if (reason := _reason(error)) is None:
            raise
        raise WebbodyError(
            f"Cannot write to {where}: {reason}. Everything committed so far is kept; "
            f"{_advice(error)} or choose another folder, and run the same command again."
        ) from error


@contextmanager
def room_errors(where: str) -> Iterator[None]:
    """Turn a full or read-only disk into one sentence, for a block that writes to `where` alone.

    What it reads may fail, too, and in other ways.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _ROOM:
            raise
        with write_errors(where):
            raise


@contextmanager
def read_errors(path: str) -> Iterator[None]:
    """Turn what keeps a file from being read into UnreadableFile; that it is missing stays."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except Exception as error:
        if (reason := _reason(error)) is None:
            raise
        raise UnreadableFile(path, reason) from error


def retried(action: Callable[[], T]) -> T:
    """Do it; once more where a network file system's handle was stale, as it looks the name up."""
    try:
        return action()
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
    return action()


def _reason(error: Exception) -> str | None:
    """Why a file was refused; None for what no file system or store made, or is told already."""
    if isinstance(error, WebbodyError):
        return None
    ours = _of_store(error)
    if isinstance(error, OSError) and error.errno in _REASONS and not ours:
        return _REASONS[error.errno]
    if not isinstance(error, OSError) and not ours:
        return None
    said, status = _said(error), status_of(error)
    if isinstance(error, PermissionError) or status in _DENIED:
        return f"permission was denied ({said})"
    if _lacks_room(error):
        return f"the store has no room left ({said})"
    if isinstance(error, TimeoutError) or status in _SLOW:
        return f"it does not answer in time, or not now ({said})"
    return said


def _lacks_room(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return status_of(error) == _NO_ROOM or "quota" in _said(error).lower()


def _advice(error: Exception) -> str:
    return "make room" if _lacks_room(error) else "mend that"


def _of_store(error: BaseException) -> bool:
    """Whether it, or what it was made of, comes from the library of a store."""
    return type(error).__module__.partition(".")[0] in _CLIENTS or (
        error.__cause__ is not None and _of_store(error.__cause__)
    )


def status_of(error: BaseException) -> int | None:
    """The status of a store's answer, also where it stands in what an error was made of."""
    response: Any = getattr(error, "response", None)
    values = [getattr(error, name, None) for name in ("status_code", "status", "code")]
    if isinstance(response, dict):
        values.append(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    found = next((value for value in values if isinstance(value, int)), None)
    if found is None and error.__cause__ is not None:
        return status_of(error.__cause__)
    return found


def _said(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return plain_text(error.strerror, _LONGEST)
    lines = str(error).strip().splitlines()
    return plain_text(lines[0] if lines else type(error).__name__, _LONGEST)
