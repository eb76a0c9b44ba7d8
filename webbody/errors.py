"""Errors that a user can cause, told in one sentence, and the exit codes of the command line."""

from collections.abc import Iterator
from contextlib import contextmanager

from webbody.redaction import redacted

EXIT_INCOMPLETE = 1  # the build ran, but some shard is incomplete: run it again to resume
EXIT_USAGE = 2  # bad input: manifest, configuration, folder, model file
EXIT_EMPTY = 3  # it ran to its end, but nothing was kept: a setting or the input must be looked at


class WebbodyError(Exception):
    """Something the user can fix; its text is one sentence: what, where, what to do.

    The command line prints the text alone, without a traceback, and exits with `exit_code`.
    """

    exit_code = EXIT_USAGE

    def __str__(self) -> str:
        """The text, without the secrets of the URLs in it."""
        return redacted(super().__str__())

    @property
    def sentence(self) -> str:
        """The text with its full stop: text that callers may add to comes without one."""
        text = str(self)
        return text if text.endswith((".", "!", "?")) else f"{text}."


class Incomplete(WebbodyError):
    """A build ended with shards that have no commit record; the finished ones are kept."""

    exit_code = EXIT_INCOMPLETE


class NothingKept(WebbodyError):
    """A command came to its end, and there is nothing in what it made."""

    exit_code = EXIT_EMPTY


@contextmanager
def error_context(before: str = "", after: str = "") -> Iterator[None]:
    """Adds to a WebbodyError of the block what only its caller knows: where it was, what to do."""
    try:
        yield
    except WebbodyError as error:
        said = str(error).removesuffix(".") if after else str(error)
        error.args = (f"{before}{said}{after}",)
        raise
