"""An S3-compatible server on loopback, in a process of its own, that counts what it is asked."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: As `"GET /bucket/key HTTP/1.1" 200` in the server's log.
_REQUEST = re.compile(rb'"(?:GET|PUT|POST|HEAD|DELETE) /')


class ObjectStore:
    """A running server: `environment` for those who use it, `requests` so far."""

    def __init__(self, port: int, log: Path) -> None:
        self._log = log
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return len(_REQUEST.findall(self._log.read_bytes()))

    def tail(self, count: int) -> list[str]:
        """The last lines of its log."""
        return self._log.read_text("utf-8", "replace").splitlines()[-count:]


@contextmanager
def object_store(log: Path) -> Iterator[ObjectStore]:
    """Serve a store with the bucket `bucket`; `log` gets a line per request."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=file, stderr=file,
        )  # fmt: skip
    try:
        _wait(port, server)
        store = ObjectStore(port, log)
        create = "import s3fs; s3fs.S3FileSystem().mkdir('bucket')"
        subprocess.run(
            [sys.executable, "-c", create], env={**os.environ, **store.environment}, check=True
        )
        yield store
    finally:
        server.terminate()
        server.wait()


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the object store does not start")
