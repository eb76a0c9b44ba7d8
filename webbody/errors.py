"""Errors that a user can cause, each with a text of one sentence, and exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager

from webbody.redaction import redacted

EXIT_INCOMPLETE = 1  # the build ran, but some shard is incomplete: run it again to resume
EXIT_USAGE = 2  # bad input: manifest, configuration, folder, model file
EXIT_EMPTY = 3  # it ran to its end, but nothing was kept: a setting or the input must be looked at


class WebbodyError(Exception):
    """An error that the user can fix; its text is one sentence: what, where, what to do.

    The command line prints the text alone, without a traceback, and exits with `exit_code`.
    """

    exit_code = EXIT_USAGE

    def __str__(self) -> str:
        """The text, without the secrets of the URLs in it."""
        return redacted(super().__str__())

    @property
    def sentence(self) -> str:
        """The text with a full stop; texts that callers extend have none."""
        text = str(self)
        return text if text.endswith((".", "!", "?")) else f"{text}."


class Incomplete(WebbodyError):
    """A build ended with failed shards; the finished ones are kept."""

    exit_code = EXIT_INCOMPLETE


class NothingKept(WebbodyError):
    """A command finished, but its result is empty."""

    exit_code = EXIT_EMPTY


@contextmanager
def error_context(before: str = "", after: str = "") -> Iterator[None]:
    """Add text to a WebbodyError of the block.

    Args:
        before: Put before the error's text, such as where it happened.
        after: Put after it, such as what to do.
    """
    try:
        yield
    except WebbodyError as error:
        said = str(error).removesuffix(".") if after else str(error)
        error.args = (f"{before}{said}{after}",)
        raise
