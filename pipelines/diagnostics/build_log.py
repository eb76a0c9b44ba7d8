"""The log of a build: start, end and events of all stages, also from workers."""

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
    """Log to a file of the build's folder until the block ends, and how it ended.

    Args:
        folder: The build's folder.
        manifest: The manifest, for the first line.

    Yields:
        A function that starts the log, to call once the folder is known to be this build's.
    """
    with run_log(folder, BUILD_LOG, _LOG) as begin:

        def begin_build() -> None:
            begin()
            _LOG.info("webbody %s builds %s from %s", __version__, folder.url, manifest)

        yield begin_build


def log_event(event: Event) -> None:
    """Log an event of a stage, except for single photos and skipped shards."""
    where = f"{event.stage}/{event.shard}" if event.shard else event.stage
    if event.kind == "queued":
        _LOG.info("%s: %d shards to look at", where, event.counts["shards"])
    elif event.kind == "started":
        _LOG.info("%s: started", where)
    elif event.kind == "done":
        _LOG.info("%s: done in %.1f s: %s", where, event.seconds, _counts(event.counts))
    elif event.kind == "warning":
        _LOG.warning("%s: %s", where, event.message, extra=SHOWN)
    elif event.kind == "note":
        _LOG.info("%s: note: %s", where, event.message, extra=SHOWN)
    elif event.kind == "failed":
        _LOG.error("%s: failed: %s", where, event.message)


def log_outcomes(outcomes: Mapping[str, int], failed: int) -> None:
    """Log the outcomes of the rows of a finished build."""
    state = f"incomplete, {failed} shards failed" if failed else "complete"
    _LOG.info("ended: %s: %s", state, _counts(outcomes))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
