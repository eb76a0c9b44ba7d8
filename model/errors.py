"""What a user of the trainer can mend, apart from mistakes in the program."""

from collections.abc import Iterator
from contextlib import contextmanager


class TrainingError(ValueError):
    """Something about the data, the settings or the run that the user can mend; one sentence."""


@contextmanager
def from_settings(section: str) -> Iterator[None]:
    """What is made of the settings of a section refuses wrong ones: told as the user's error."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{section}: {error}") from error
