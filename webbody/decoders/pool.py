"""A pool of decoding processes, shared by the threads of a process."""

import queue
import weakref

from webbody.decoders.limits import DecodingLimits
from webbody.decoders.process import DecoderProcess, ProcessEnded
from webbody.images import RGB, ImageError


class Decoders:
    """`webbody.images.decode` in at most `count` processes, started when they are needed.

    A picture that costs more than the limits is `image:too-large`, one that makes the library
    crash `image:unreadable`; its process is ended, another takes its place, and the other pictures
    know nothing of it. The pixels come through memory that the processes share. May be called by
    any thread; one waits where all processes are at work.
    """

    def __init__(self, count: int, limits: DecodingLimits | None = None) -> None:
        self._limits = limits or DecodingLimits()
        self._idle: queue.LifoQueue[DecoderProcess | None] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(None)
        weakref.finalize(self, _end_all, self._idle)

    def decode(self, data: bytes, max_pixels: int | None = None) -> RGB:
        """As `webbody.images.decode`.

        Raises ProcessEnded where the processes are ended from outside, as a system without memory
        does: this says nothing about the picture.
        """
        process = self._idle.get()
        try:
            if process is None:
                process = DecoderProcess(self._limits)
            try:
                return process.decode(data, max_pixels)
            except ProcessEnded:
                # Retried in a new process: an earlier picture may have caused the crash.
                process = DecoderProcess(self._limits)
                return process.decode(data, max_pixels)
        except ProcessEnded as error:
            if not error.is_fault:
                raise
            detail = "the library that decodes it crashes"
            raise ImageError("image:unreadable", detail) from error
        finally:
            self._idle.put(process if process is not None and process.runs else None)


def _end_all(idle: "queue.LifoQueue[DecoderProcess | None]") -> None:
    while not idle.empty():
        if (process := idle.get_nowait()) is not None:
            process.end()
