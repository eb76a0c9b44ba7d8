"""Logging to a file beside the results, and to the terminal on request.

Each module logs through `logging.getLogger(__name__)`. Nothing is shown or written unless a command
asks for it, or the application that imports the packages has handlers of its own.
"""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from webbody.errors import WebbodyError
from webbody.plain_text import plain_lines
from webbody.scratch import scratch_folder
from webbody.storage import Folder
from webbody.storage_errors import write_errors

PACKAGES = ("webbody", "pipelines", "model")
#: `extra` of a record whose text the command shows by itself.
SHOWN = {"shown": True}
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class PlainFormatter(logging.Formatter):
    """Formats records without control characters, as they may contain untrusted text."""

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """The record, with no control character but the ends of its lines."""
        return plain_lines(super().format(record))


@contextmanager
def log_file(folder: Folder, name: str) -> Iterator[Callable[[], None]]:
    """Append what the packages log within the block to a file of a folder.

    A remote folder gets the file when the block ends.

    Args:
        folder: Where the file lies; it need not exist yet.
        name: The file's name.

    Yields:
        A function that begins the file; before its first call nothing is written, so that a
        command that refuses to start leaves nothing behind.

    Raises:
        WebbodyError: The file cannot be written.
    """
    handler: logging.Handler | None = None
    with nullcontext("") if folder.local else scratch_folder("log") as scratch:
        path = Path(folder.path(name)) if folder.local else Path(scratch, name)

        def begin() -> None:
            nonlocal handler
            if handler is not None:
                return
            with write_errors(folder.url):
                path.parent.mkdir(parents=True, exist_ok=True)
                if not folder.local and folder.size(name) is not None:
                    path.write_bytes(folder.read(name))
                handler = _File(path, encoding="utf-8")
            _add(handler)

        try:
            yield begin
        finally:
            if handler is not None:
                _remove(handler)
                if not folder.local:
                    with folder.write(name) as file, path.open("rb") as lines:
                        shutil.copyfileobj(lines, file)


@contextmanager
def run_log(folder: Folder, name: str, logger: logging.Logger) -> Iterator[Callable[[], None]]:
    """`log_file`, which also gets the error that ends the block."""
    with log_file(folder, name) as begin:
        try:
            yield begin
        except WebbodyError as error:
            logger.error("ended: %s", error, extra=SHOWN)
            raise
        except Exception:
            logger.exception("ended by an error that should not happen", extra=SHOWN)
            raise
        except BaseException as error:
            logger.warning("ended by %s", type(error).__name__, extra=SHOWN)
            raise


def log_to_terminal() -> Callable[[], None]:
    """Show on standard error what the packages log; what it gives ends that."""
    handler = _Terminal()
    _add(handler)
    return lambda: _remove(handler)


class _File(logging.FileHandler):
    """Ignores write errors: a full disk is reported by the build itself."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Leave the line out."""


class _Terminal(logging.Handler):
    """Standard error as it is now: progress bars stand in for it while they are drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, unless the command does."""
        if getattr(record, "shown", False):
            return
        print(self.format(record), file=sys.stderr)


def _add(handler: logging.Handler) -> None:
    handler.setFormatter(PlainFormatter())
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)


def _remove(handler: logging.Handler) -> None:
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.removeHandler(handler)
        if all(isinstance(one, logging.NullHandler) for one in logger.handlers):
            logger.setLevel(logging.NOTSET)
    with suppress(OSError):  # of a full disk
        handler.close()
