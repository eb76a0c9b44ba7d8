"""What a training says, also kept in its folder."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from webbody.logs import SHOWN, run_log
from webbody.storage import Folder

TRAIN_LOG = "train.log"
_LOG = logging.getLogger(__name__)


@contextmanager
def train_log(
    out: str | Path, say: Callable[[str], None], is_first: bool = True
) -> Iterator[Callable[[str], None]]:
    """Log a training in its folder, from the first thing that it says to its end.

    Args:
        out: The run's folder.
        say: Shows a sentence to the user.
        is_first: Whether this is the process of the run that speaks; others neither say nor log.

    Yields:
        What says and logs a sentence.
    """
    with run_log(Folder(out), TRAIN_LOG, _LOG) as begin:

        def say_and_log(text: str) -> None:
            if is_first:
                begin()
                _LOG.info("%s", text, extra=SHOWN)
                say(text)

        yield say_and_log
