"""What a build logs: its beginning and end, and the events of its stages, also those of workers."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from pipelines.engine.worker import Event
from webbody import __version__
from webbody.logs import SHOWN, run_log
from webbody.storage import Folder

#: The log's file in the build's folder.
BUILD_LOG = "build.log"
_LOG = logging.getLogger(__name__)


@contextmanager
def build_log(folder: Folder, manifest: str) -> Iterator[Callable[[], None]]:
    """Log a build's end, whatever it is, and what the packages log meanwhile, in its folder.

    Args:
        folder: The build's folder.
        manifest: What it is built from, for the first line.

    Yields:
        A function that begins the log, for when it is sure that the folder is the build's.
    """
    with run_log(folder, BUILD_LOG, _LOG) as begin:

        def begin_build() -> None:
            begin()
            _LOG.info("webbody %s builds %s from %s", __version__, folder.url, manifest)

        yield begin_build


def log_event(event: Event) -> None:
    """Log an event of a stage, unless it is of single photos or of what was already there."""
    where = f"{event.stage}/{event.shard}" if event.shard else event.stage
    if event.kind == "queued":
        _LOG.info("%s: %d shards to look at", where, event.counts["shards"])
    elif event.kind == "started":
        _LOG.info("%s: started", where)
    elif event.kind == "done":
        _LOG.info("%s: done in %.1f s: %s", where, event.seconds, _counts(event.counts))
    elif event.kind == "warning":
        _LOG.warning("%s: %s", where, event.message, extra=SHOWN)
    elif event.kind == "failed":
        _LOG.error("%s: failed: %s", where, event.message)


def log_outcomes(outcomes: Mapping[str, int], failed: int) -> None:
    """Log what became of the rows of a build that came to its end."""
    state = f"incomplete, {failed} shards failed" if failed else "complete"
    _LOG.info("ended: %s: %s", state, _counts(outcomes))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
