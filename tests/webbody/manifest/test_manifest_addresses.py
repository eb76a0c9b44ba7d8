"""Lists at signed addresses: the signature is asked for, and says nothing of the format."""

import gzip
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pipelines.engine.sources import is_release
from webbody.errors import WebbodyError
from webbody.manifest import Manifest

SIGNED = "X-Amz-Expires=60&X-Amz-Signature=" + "0123456789abcdef/" * 30
LISTS = {
    "/list.csv": b"url,name\nhttp://a/1,Ann\n",
    "/list.jsonl.gz": gzip.compress(b'{"url": "http://a/1", "name": "Ann"}\n'),
    "/list": b"0 7 http://a/1\n",
}


@pytest.fixture
def signed():
    """A server that answers only what is signed."""
    pytest.importorskip("aiohttp")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, query = self.path.partition("?")
            data = LISTS.get(path) if query == SIGNED else None
            self.send_response(200 if data else 403)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("path", LISTS)
def test_a_signed_list_is_read(signed, path):
    with Manifest(f"{signed}{path}?{SIGNED}") as manifest:
        (row,) = [row for batch in manifest.usable() for row in batch.to_pylist()]
    assert row["url"] == "http://a/1"
    assert path == "/list" or not is_release(f"{signed}{path}?{SIGNED}")


def test_one_that_is_refused_is_told(signed):
    with pytest.raises(WebbodyError, match=r"list\.csv.* cannot be fetched"):
        Manifest(f"{signed}/list.csv?X-Amz-Signature=0")
