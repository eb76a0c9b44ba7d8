"""A decoding process, seen from its client."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import astuple

from webbody.decoders.limits import DecodingLimits
from webbody.decoders.messages import QUESTION, SharedView
from webbody.errors import WebbodyError
from webbody.images import RGB, ImageError
from webbody.working_folder import worker_environment

#: Seconds in which a process must have started, on a machine that is very busy.
_START = 120
#: Nothing is imported from the working folder; and memory is kept for the next picture, by Pillow
#: and by the C library: a fresh page costs more than what is decoded into it.
_SURROUNDINGS = {
    "PYTHONSAFEPATH": "1",
    "PILLOW_BLOCKS_MAX": "4",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "134217728",
}
#: Ends of a process that are the picture's doing: a fault in the library that decodes it.
_FAULTS = (
    signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL,
    signal.SIGTRAP, signal.SIGSYS,
)  # fmt: skip


class ProcessEnded(WebbodyError):
    """The process ended over a picture: `code` as `subprocess` tells it."""

    def __init__(self, code: int) -> None:
        super().__init__(
            "a process that decodes pictures was ended from outside, twice (out of memory?); give "
            "the machine more room or use fewer threads."
        )
        self.code = code

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return (type(self), (self.code,))

    @property
    def is_fault(self) -> bool:
        """Whether the decoding library crashed, rather than the process being killed."""
        return self.code in [-number for number in _FAULTS] or self.code > 0


class DecoderProcess:
    """A process that decodes one picture after the other; used by one thread at a time.

    It is a new program, not a copy of this one: it holds no model, no thread and no connection of
    this process, and ends with it. Raises WebbodyError where it cannot start.
    """

    def __init__(self, limits: DecodingLimits) -> None:
        self._limits, self._view = limits, SharedView()
        self._connection, other = socket.socketpair()
        values = json.dumps(astuple(limits))
        command = [sys.executable, "-m", "webbody.decoders.child", str(other.fileno()), values]
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        environment = {**os.environ, **worker_environment(), **one, **_SURROUNDINGS}
        with other, tempfile.TemporaryFile() as complaints:
            self._process = subprocess.Popen(
                command,
                pass_fds=[other.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
            )
            other.close()  # or the end of the process would not be seen
            self._connection.settimeout(_START)
            if not self._hello():
                self.end()
                complaints.seek(0)
                said = complaints.read().decode("utf-8", "replace").strip()
                raise WebbodyError(
                    "a process that decodes pictures does not start: "
                    + (said.splitlines() or [f"no answer in {_START} s"])[-1]
                )
        self._connection.settimeout(limits.silence)

    def decode(self, data: bytes, max_pixels: int | None) -> RGB:
        """As `webbody.images.decode`; beyond the limits ImageError `image:too-large`.

        Raises ProcessEnded where the process ended over the picture; whatever it raises but what
        `decode` itself does, the process is no more.
        """
        try:
            self._connection.sendall(QUESTION.pack(len(data), max_pixels or 0) + data)
            answer = self._view.receive(self._connection)
        except TimeoutError as error:
            self.end()
            detail = f"decoding did not end in {self._limits.silence:g} s"
            raise ImageError("image:too-large", detail) from error
        except (EOFError, ConnectionError) as error:
            code = self.end()
            if code == -signal.SIGXCPU:
                raise ImageError("image:too-large", "decoding takes too long") from error
            raise ProcessEnded(code) from error
        if isinstance(answer, bytes):
            raise ImageError(*json.loads(answer))
        return answer

    @property
    def runs(self) -> bool:
        """Whether it accepts requests."""
        return self._connection.fileno() >= 0

    def end(self) -> int:
        """End it; how it has ended, as `subprocess` tells it."""
        self._connection.close()
        self._process.kill()
        return self._process.wait()

    def _hello(self) -> bool:
        try:
            return self._connection.recv(1) == b"r"
        except OSError:
            return False
