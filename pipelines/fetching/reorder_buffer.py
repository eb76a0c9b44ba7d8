"""A reorder buffer: results that arrive in any order are passed on by number."""

from collections.abc import Callable
from typing import IO, Generic, TypeVar

from webbody.errors import WebbodyError

Result = TypeVar("Result")


class ReorderBuffer(Generic[Result]):
    """Calls `sink(number, result, body)` for 0, 1, 2 ... as soon as each is available.

    Waiting bodies take up to `in_memory` bytes of memory; the others are written to `spool`, an
    empty temporary file, so that one slow result does not fill the memory.
    """

    def __init__(
        self,
        sink: Callable[[int, Result, bytes | None], None],
        spool: IO[bytes],
        in_memory: int = 32_000_000,
    ) -> None:
        self._sink, self._spool, self._room = sink, spool, in_memory
        self._next = 0
        self._waiting: dict[int, tuple[Result, bytes | None]] = {}
        self._spooled: dict[int, tuple[int, int]] = {}

    def put(self, number: int, result: Result, body: bytes | None = None) -> None:
        """Add a result, each number once; pass on all that are next."""
        if number == self._next:
            self._hand_on(result, body)
        else:
            if body is not None and len(body) > self._room:
                self._spooled[number] = self._put_aside(body), len(body)
                body = None
            self._room -= len(body or b"")
            self._waiting[number] = result, body
        while self._next in self._waiting:
            result, body = self._waiting.pop(self._next)
            self._room += len(body or b"")
            if place := self._spooled.pop(self._next, None):
                self._spool.seek(place[0])
                body = self._spool.read(place[1])
            self._hand_on(result, body)

    def missing(self, count: int) -> list[int]:
        """The numbers below `count` that were not put yet."""
        return [n for n in range(self._next, count) if n not in self._waiting]

    def _put_aside(self, body: bytes) -> int:
        """Append to the spool; returns the offset."""
        try:
            start = self._spool.seek(0, 2)
            self._spool.write(body)
        except OSError as error:
            raise WebbodyError(
                f"Cannot keep what waits for its turn in the temporary folder ({error.strerror}); "
                "make room, or set TMPDIR to another folder."
            ) from error
        return start

    def _hand_on(self, result: Result, body: bytes | None) -> None:
        number, self._next = self._next, self._next + 1
        self._sink(number, result, body)
