"""The metrics of a build in its folder: `metrics.jsonl`, a line for a moment, of run after run.

In an object store a file appears whole, so there it is kept small: older lines go to
`metrics-000001.jsonl` and so on. No record lists these files; whoever removes them loses nothing
but them.
"""

import logging
import re
from contextlib import suppress
from pathlib import Path

from pipelines.monitoring.metrics import BuildMetrics
from webbody.errors import WebbodyError
from webbody.storage import Folder

METRICS = "metrics.jsonl"
_OLDER = re.compile(r"metrics-([0-9]{6,})\.jsonl")
#: Lines of the newest file in an object store.
_LINES = 200
#: Bytes at the end of a local file that hold a line.
_TAIL = 1 << 18
_LOG = logging.getLogger(__name__)


class MetricsFile:
    """Adds lines; a disk that takes none is told of by what is built there."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._lines: list[bytes] | None = None  # of the newest file in a store; None: not read yet

    def add(self, metrics: BuildMetrics) -> None:
        """Write a line."""
        try:
            (self._append if self._folder.local else self._put)(metrics.to_json())
        except Exception as error:  # of whatever store: metrics never cost a build
            _LOG.warning("the metrics could not be written: %s", error)

    def _append(self, line: bytes) -> None:
        path = Path(self._folder.path(METRICS))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":  # a kill cut the last line off
                    line = b"\n" + line
            file.write(line)

    def _put(self, line: bytes) -> None:
        if self._lines is None:
            self._lines = []
            with suppress(FileNotFoundError):
                self._lines = self._folder.read(METRICS).splitlines(keepends=True)
        if len(self._lines) >= _LINES:
            found = filter(None, map(_OLDER.fullmatch, self._folder.names()))
            number = 1 + max((int(match[1]) for match in found), default=0)
            self._folder.write_bytes(f"metrics-{number:06d}.jsonl", b"".join(self._lines))
            self._lines = []
        self._lines.append(line)
        self._folder.write_bytes(METRICS, b"".join(self._lines))


def read_last(folder: Folder) -> BuildMetrics | None:
    """The newest metrics in a build's folder, at the cost of a small file.

    None where there are none, or they cannot be read now: who looks on does without.
    """
    try:
        if folder.local:
            with Path(folder.path(METRICS)).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _TAIL))
                data = file.read()
        else:
            data = folder.read(METRICS)
    except (OSError, WebbodyError):
        return None
    for line in reversed(data.splitlines()):
        with suppress(ValueError):
            return BuildMetrics.from_json(line)
    return None
