"""Serving the pages of a folder on loopback until one stops it."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pyarrow as pa
import uvicorn

from pipelines.viewer.editing import Editing
from pipelines.viewer.index.viewed import OnShard, WatchedBuild
from pipelines.viewer.security import TOKEN, Gate
from pipelines.viewer.site import Site
from webbody.errors import WebbodyError

#: The only address that is listened on: others reach it through `ssh -L`, as docs/view.md says.
LOOPBACK = "127.0.0.1"


def view(
    out: str,
    port: int,
    editing: Editing | None,
    on_shard: OnShard,
    on_address: Callable[[str], None],
) -> None:
    """Serve a build folder until the process is interrupted.

    Args:
        out: The folder, a path or a URL.
        port: To listen on; 0: any that is free.
        editing: Writes corrections; None: nothing may be changed.
        on_shard: Called while the index is made, with the shards done and their number.
        on_address: Gets the address to open, with its token, once the server answers there.

    Raises:
        WebbodyError: The folder holds nothing to look at, or the port is taken.
    """
    with listening(port) as listener, WatchedBuild(out, on_shard) as build:
        port = listener.getsockname()[1]
        gate = Gate(port)
        app = Site(build, gate, editing).app()
        config = uvicorn.Config(
            app, log_level="error", access_log=False, server_header=False, lifespan="off"
        )
        # What pages of people need takes a while where there are many: it is made meanwhile.
        threading.Thread(target=_make_people, args=(build,), daemon=True).start()
        on_address(f"http://{LOOPBACK}:{port}/?{TOKEN}={gate.token}")
        uvicorn.Server(config).run([listener])


def _make_people(build: WatchedBuild) -> None:
    with suppress(WebbodyError, OSError, pa.ArrowException):  # told by the pages that need them
        _ = build.now().people


def listening(port: int) -> socket.socket:
    """A socket that listens on loopback; WebbodyError where the port is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise WebbodyError(
            f"port {port} of {LOOPBACK} cannot be listened on ({error.strerror}); choose another "
            "with --port, or leave it out."
        ) from error
    listener.listen(128)
    return listener
