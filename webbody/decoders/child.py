"""The process that decodes: python -m webbody.decoders.child SOCKET LIMITS

SOCKET is the descriptor of its connection, LIMITS the values of `DecodingLimits`. It ends when the
other side of the connection does.
"""

import fcntl
import json
import os
import resource
import signal
import socket
import sys
import warnings
from importlib.util import find_spec

from PIL import AvifImagePlugin

from webbody.decoders.limits import DecodingLimits, PictureBudget
from webbody.decoders.messages import ANSWER, QUESTION, SharedMemory, read_exactly
from webbody.images import ImageError, fill, open_image, upright_image


def main() -> None:
    """Answer requests until the connection closes."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    budget = PictureBudget(DecodingLimits(*json.loads(sys.argv[2])))
    memory = SharedMemory()
    _prepare()
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    connection.sendall(b"r")
    _silent()
    try:
        while True:
            size, most = QUESTION.unpack(read_exactly(connection, QUESTION.size))
            _answer(connection, read_exactly(connection, size), most or None, budget, memory)
    except (EOFError, ConnectionError):
        return


def _answer(
    connection: socket.socket,
    data: bytes,
    most: int | None,
    budget: PictureBudget,
    memory: SharedMemory,
) -> None:
    try:
        _end_with_the_asker(connection, True)
        budget.begin()
        opened = open_image(data, most)
        budget.allow(opened.pixels)
        upright = upright_image(opened, data)
        fill(memory.place(upright.height, upright.width), upright)
    except ImageError as error:
        text = json.dumps([error.outcome, error.detail]).encode()
        _end_with_the_asker(connection, False)
        connection.sendall(ANSWER.pack(0, 0, len(text)) + text)
    else:
        _end_with_the_asker(connection, False)
        memory.send(connection, upright.height, upright.width)


def _prepare() -> None:
    """One thread for a picture (there is a process for each core), and what is needed loaded."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    if find_spec("pillow_heif"):
        import pillow_heif.options

        pillow_heif.options.DECODE_THREADS = 1
    # Files that make readers complain are many, and each has its outcome.
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the asker decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _silent() -> None:
    """Close the error output, to which C libraries write about broken files."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stderr.fileno())
    os.close(nothing)


def _end_with_the_asker(connection: socket.socket, now: bool) -> None:
    """While a picture is decoded nothing comes over the connection but its end: then the system
    sends SIGIO, which ends this process in the middle of its work, where the system is Linux."""
    fcntl.fcntl(connection, fcntl.F_SETFL, os.O_ASYNC if now else 0)


if __name__ == "__main__":
    main()
