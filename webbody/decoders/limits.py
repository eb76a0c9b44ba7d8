"""What a picture may cost: processor time and memory, by its pixels."""

import resource
import time
from dataclasses import dataclass

_PAGE = resource.getpagesize()
#: Where Linux tells how much address space this process has, in pages.
_SPACE = "/proc/self/statm"
#: Pixels up to which pictures have the same limits, and how many of these are decoded before the
#: address space is measured again: it may grow by what libraries keep.
_SMALL, _MEASURED = 2_000_000, 64


@dataclass(frozen=True)
class DecodingLimits:
    """Processor time and memory for a picture; time on the clock would depend on the machine's
    other work.

    seconds and memory (bytes) are for any picture, the others more for each million of its pixels.
    The slowest formats take 0.1 s and 60 MB for a million; a bomb takes minutes and gigabytes.
    silence: seconds on the clock after which a process that gives no answer is ended.
    """

    seconds: float = 10
    seconds_per_million: float = 0.4
    memory: int = 512_000_000
    memory_per_million: int = 80_000_000
    silence: float = 900


class PictureBudget:
    """Holds this process to limits, picture by picture.

    Beyond the time it is ended by SIGXCPU; beyond the memory it gets no more.
    """

    def __init__(self, limits: DecodingLimits) -> None:
        self._limits = limits
        self._pictures = 0

    def begin(self) -> None:
        """Before a header is read."""
        self._limit_time(_SMALL)
        if self._pictures % _MEASURED == 0:
            self._limit_memory(_SMALL)
        self._pictures += 1

    def allow(self, pixels: int) -> None:
        """Before so many pixels are decoded."""
        if pixels > _SMALL:
            self._limit_time(pixels)
            self._limit_memory(pixels)
            self._pictures = 0  # the next one is measured again

    def _limit_time(self, pixels: int) -> None:
        limits = self._limits
        seconds = limits.seconds + pixels / 1_000_000 * limits.seconds_per_million
        _limit(resource.RLIMIT_CPU, int(time.process_time() + seconds) + 1)

    def _limit_memory(self, pixels: int) -> None:
        if (space := _space()) is not None:
            room = self._limits.memory + pixels * self._limits.memory_per_million // 1_000_000
            _limit(resource.RLIMIT_AS, space + room)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (soft, hard))


def _space() -> int | None:
    """Bytes of address space in use; None where the system does not tell (it holds to no limit)."""
    try:
        with open(_SPACE, "rb") as file:
            return int(file.read().split()[0]) * _PAGE
    except OSError:
        return None
