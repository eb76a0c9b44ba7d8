"""The protocol between a decoding process and its client.

A question is `QUESTION` (bytes of the file, most pixels or 0 for any) and the file. An answer is
`ANSWER`: height and width, where the pixels lie in memory that both share; or zeros and the length
of a JSON list [outcome, detail]. The memory has no name, so that nothing is left of it when both
have let it go, however they end.
"""

import mmap
import os
import socket
import struct
import tempfile

import numpy as np

from webbody.images import RGB

QUESTION = struct.Struct("<QQ")
ANSWER = struct.Struct("<IIQ")
#: Memory (bytes) that is kept for the next picture; for larger ones it is made and freed.
_KEPT = 64_000_000
_LEAST = 4_000_000


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """Read exactly so many bytes; EOFError if the other side has closed."""
    data = bytearray(count)
    view, at = memoryview(data), 0
    while at < count:
        got = connection.recv_into(view[at:])
        if not got:
            raise EOFError
        at += got
    return bytes(data)


class SharedMemory:
    """The memory for pixels, on the side that writes them."""

    def __init__(self) -> None:
        self._memory: mmap.mmap | None = None
        self._file = -1

    def place(self, height: int, width: int) -> RGB:
        """Memory for a picture; filled before `send`."""
        size = 3 * height * width
        kept = 0 if self._memory is None else len(self._memory)
        if self._memory is None or size > kept or kept > _KEPT:
            # Some more than needed, so that it is seldom too small.
            room = max(size, min(2 * size, _KEPT), _LEAST)
            self._memory = None  # first, so that there is room for the new one
            self._file = _nameless()
            os.ftruncate(self._file, room)
            self._memory = mmap.mmap(self._file, room)
        return np.frombuffer(self._memory, np.uint8, size).reshape(height, width, 3)

    def send(self, connection: socket.socket, height: int, width: int) -> None:
        """Announce the picture; new memory is sent along."""
        head = ANSWER.pack(height, width, 0)
        if self._file < 0:
            connection.sendall(head)
            return
        socket.send_fds(connection, [head], [self._file])
        os.close(self._file)
        self._file = -1


class SharedView:
    """The memory for pixels, on the side that reads them."""

    def __init__(self) -> None:
        self._memory: mmap.mmap | None = None

    def receive(self, connection: socket.socket) -> RGB | bytes:
        """A copy of the pixels, or the text of an error.

        Raises EOFError if the other side has closed, TimeoutError if it is silent.
        """
        head, files, _, _ = socket.recv_fds(connection, ANSWER.size, 1)
        for file in files:
            self._memory = mmap.mmap(file, os.fstat(file).st_size)
            os.close(file)
        if not head:
            raise EOFError
        head += read_exactly(connection, ANSWER.size - len(head))
        height, width, length = ANSWER.unpack(head)
        if length:
            return read_exactly(connection, length)
        if self._memory is None:
            raise EOFError
        shared = np.frombuffer(self._memory, np.uint8, 3 * height * width)
        pixels = shared.reshape(height, width, 3).copy()
        if len(self._memory) > _KEPT:
            self._memory = None
        return pixels


def _nameless() -> int:
    """The descriptor of a file in memory that has no name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pixels")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
