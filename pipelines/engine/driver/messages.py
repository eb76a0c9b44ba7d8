"""What the build and its driver process say to each other: pickles over a pair of sockets."""

from dataclasses import dataclass
from typing import Any

from pipelines.engine.worker import Event


@dataclass(frozen=True)
class Request:
    """A method of the executor to call, with its arguments but the listener."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Ready:
    """The driver has its Ray."""


@dataclass(frozen=True)
class News:
    """An event of a worker, while a request runs."""

    event: Event


@dataclass(frozen=True)
class Returned:
    """What a request gave."""

    value: Any


@dataclass(frozen=True)
class Refused:
    """What the user must change: the sentence of a WebbodyError."""

    sentence: str


@dataclass(frozen=True)
class LostRay:
    """Ray is gone: why."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """An error that should not happen: its trace."""

    trace: str
