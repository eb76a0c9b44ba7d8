"""Serving the pages of a folder on loopback until one stops it."""

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pyarrow as pa
import uvicorn
from starlette.applications import Starlette

from pipelines.viewer.editing import Editing
from pipelines.viewer.index.viewed import OnShard, WatchedBuild
from pipelines.viewer.security import TOKEN, Gate
from pipelines.viewer.site import Site
from webbody.build_records import BUILD_FILE
from webbody.errors import WebbodyError
from webbody.releases.format import RELEASE_FILE
from webbody.releases.release import Release
from webbody.storage import Folder

#: The only address that is listened on: others reach it through `ssh -L`, as docs/view.md says.
LOOPBACK = "127.0.0.1"


def view(
    out: str,
    port: int,
    editing: Editing | None,
    on_shard: OnShard,
    on_address: Callable[[str], None],
    beside: str = "",
) -> None:
    """Serve a build, a release, an evaluation or a training until the process is interrupted.

    Args:
        out: The folder, a path or a URL.
        port: To listen on; 0: any that is free.
        editing: Writes corrections of a build; None: nothing may be changed.
        on_shard: Called while the index of a build is made, with the shards done and their number.
        on_address: Gets the address to open, with its token, once the server answers there.
        beside: The folder of an evaluation that is shown beside that in `out`.

    Raises:
        WebbodyError: The folder holds nothing to look at, or the port is taken.
    """
    folder = Folder(out)
    if folder.local and not (out and Path(folder.root).is_dir()):
        raise WebbodyError(
            f"{out or 'no folder'}: there is no such folder; give that of a build, a release, an "
            "evaluation or a training."
        )
    with ExitStack() as stack:
        listener = stack.enter_context(listening(port))
        port = listener.getsockname()[1]
        gate = Gate(port)
        app, is_build = None, folder.size(BUILD_FILE) is not None
        if beside or not is_build:
            app = _release(out, beside, gate, editing) or _report(out, beside, gate, editing)
        if app is None:
            if folder.local and not is_build:
                raise WebbodyError(
                    f"{out}: holds no build, release, evaluation or training to look at; a build "
                    f"starts with `webbody build --out {out}`."
                )
            build = stack.enter_context(WatchedBuild(out, on_shard))
            app = Site(build, gate, editing).app()
            # What pages of people need takes a while where there are many: it is made meanwhile.
            threading.Thread(target=_make_people, args=(build,), daemon=True).start()
        config = uvicorn.Config(
            app, log_level="error", access_log=False, server_header=False, lifespan="off"
        )
        on_address(f"http://{LOOPBACK}:{port}/?{TOKEN}={gate.token}")
        uvicorn.Server(config).run([listener])


def _release(out: str, beside: str, gate: Gate, editing: Editing | None) -> Starlette | None:
    """The pages of a release; None where the folder holds none."""
    folder = Folder(out)
    if beside or not folder.local or folder.size(RELEASE_FILE) is None:
        return None
    _no_corrections(out, editing)
    from pipelines.viewer.release_site import ReleaseSite

    return ReleaseSite(Release.read(out), gate).app()


def _no_corrections(out: str, editing: Editing | None) -> None:
    if editing is not None:
        raise WebbodyError(f"{out}: is no build, which alone is corrected: leave out --edit.")


def _report(out: str, beside: str, gate: Gate, editing: Editing | None) -> Starlette | None:
    """The page of an evaluation or a training; None where the folder holds neither."""
    # With it comes torch, which takes more memory than the pages of a build.
    from pipelines.viewer.reports import ReportSite, report_of

    make = report_of(out, beside)
    if make is None:
        return None
    _no_corrections(out, editing)
    make()  # what is wrong with the folder is told at once
    return ReportSite(make, gate).app()


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
