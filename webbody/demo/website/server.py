"""The server of the synthetic web: local, threaded, and as badly behaved as the plan says.

    python -m webbody.demo.website.server FOLDER

Answers do not depend on what an earlier build asked for: "once" failures fail the first request and
answer the second, again and again. A first request that was never followed by a second is forgotten
after `FORGET` seconds, so that a killed build leaves nothing behind.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

from webbody.demo.website import kinds
from webbody.demo.website.answers import Handler
from webbody.errors import WebbodyError

FORGET = 20.0


class Server(ThreadingHTTPServer):
    """Serves a web's folder on 127.0.0.1."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, folder: Path, port: int) -> None:
        self.files = (folder / "files").resolve()
        self.served: dict[str, dict[str, str]] = json.loads(
            (folder / "behaviours.json").read_text(encoding="utf-8")
        )
        self.stopping = threading.Event()
        self._failed: dict[str, float] = {}  # path -> when its first request failed
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)

    def find(self, path: str) -> tuple[Path, str]:
        """File and behaviour of a URL path (unquoted, without the leading slash)."""
        entry = self.served.get(path, {"file": path, "behaviour": kinds.PLAIN})
        return (self.files / entry["file"]).resolve(), entry["behaviour"]

    def fails_now(self, path: str) -> bool:
        """True for the first request of every pair."""
        now = time.monotonic()
        with self._lock:
            failed = self._failed.pop(path, None)
            if failed is not None and now - failed < FORGET:
                return False
            self._failed[path] = now
            return True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up on bad answers; that is no news."""


@contextmanager
def serve(folder: str | Path, port: int | None = None) -> Iterator[Server]:
    """Serve a web in a thread until the block ends.

    port: the one in the web's manifest by default (0: any free one, for tests). Raises WebbodyError
    where the folder holds no web or the port is taken.
    """
    server = _bind(Path(folder), port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _bind(folder: Path, port: int | None) -> Server:
    try:
        if port is None:
            port = int(json.loads((folder / "web.json").read_text(encoding="utf-8"))["port"])
        return Server(folder, port)
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise WebbodyError(f"{folder} holds no finished synthetic web: make it first.") from error
    except OSError as error:
        raise WebbodyError(
            f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}): stop the other "
            "server there, or choose another port with --port (it is part of the manifest's URLs)."
        ) from error


def main() -> None:
    """Serve a web until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m webbody.demo.website.server", description="Serve a web."
    )
    parser.add_argument("folder", type=Path, help="folder that make_web wrote")
    parser.add_argument("--port", type=int, help="instead of the one in the manifest")
    arguments = parser.parse_args()
    try:
        server = _bind(arguments.folder, arguments.port)
    except WebbodyError as error:
        raise SystemExit(str(error)) from error
    print(f"http://127.0.0.1:{server.server_port} (Ctrl-C stops)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.stopping.set()
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
