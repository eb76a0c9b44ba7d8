"""The metrics of a build in its folder: `metrics/000001.jsonl` and so on, a line for a moment.

Each run begins a file, and another one after some hundred lines: so a folder of an object store,
where files appear whole, gets them too, and their end is read at the cost of one small file. They
are part of no record; whoever removes them loses nothing but them.
"""

import logging
import re
from contextlib import suppress
from pathlib import Path

from pipelines.monitoring.metrics import BuildMetrics
from webbody.storage import Folder

#: The folder of these files inside a build's.
METRICS = "metrics"
_LINES = 200
_NAME = re.compile(r"([0-9]{6,})\.jsonl")
_LOG = logging.getLogger(__name__)


class MetricsFile:
    """Adds lines; a disk that takes none is told of by what is built there."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._number: int | None = None
        self._lines: list[bytes] = []

    def add(self, metrics: BuildMetrics) -> None:
        """Write a line."""
        try:
            self._add(metrics.to_json())
        except Exception as error:  # of whatever store: metrics never cost a build
            _LOG.warning("the metrics could not be written: %s", error)

    def _add(self, line: bytes) -> None:
        if self._number is None:
            self._number = 1 + max(map(_number_of, _names(self._folder)), default=0)
        elif len(self._lines) >= _LINES:
            self._number += 1
            self._lines = []
        self._lines.append(line)
        name = f"{METRICS}/{self._number:06d}.jsonl"
        if not self._folder.local:
            self._folder.write_bytes(name, b"".join(self._lines))
            return
        path = Path(self._folder.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(line)


def read_last(folder: Folder) -> BuildMetrics | None:
    """The newest metrics in a build's folder; None where there are none."""
    for name in reversed(_names(folder)[-2:]):  # the newest may hold a line that a kill cut off
        with suppress(FileNotFoundError):
            for line in reversed(folder.read(f"{METRICS}/{name}").splitlines()):
                with suppress(ValueError):
                    return BuildMetrics.from_json(line)
    return None


def _names(folder: Folder) -> list[str]:
    return sorted((n for n in folder.names(METRICS) if _NAME.fullmatch(n)), key=_number_of)


def _number_of(name: str) -> int:
    return int(name.removesuffix(".jsonl"))
