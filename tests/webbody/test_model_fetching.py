"""Model files are fetched once for a machine, however many workers ask, and whole or not at all."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from webbody import model_table, models
from webbody.errors import WebbodyError
from webbody.model_table import FACE_DETECTOR, KEYPOINTS, KNOWN

ONNX = b"\x08\x07\x12\x07pytorch\x1a\x052.0" + bytes(200_000)
HUB, RTMLIB, PACK = "yunet-2023mar", "rtmpose-m-256x192", "buffalo_s"
KINDS = {HUB: FACE_DETECTOR, RTMLIB: KEYPOINTS, PACK: FACE_DETECTOR}
#: A worker of a build, as far as its models go. Arguments: address of the server, name, backend.
WORKER = """
import sys
from tests.webbody.test_model_fetching import from_server
address, name, backend = sys.argv[1:]
from_server(address)
from webbody import models
print(models.resolve(name, backend))
"""


def zipped(**files: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name, content in files.items():
            writer.writestr(f"{name}.onnx", content)
    return archive.getvalue()


BODIES = {
    HUB: ONNX,
    RTMLIB: zipped(end2end=ONNX),
    PACK: zipped(det_500m=ONNX, w600k_mbf=ONNX + b"w"),
}


class Source:
    """Where models are fetched from: counts requests, may cut bodies off, or hold them back."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.cut = False
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        source = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.split("/")[1].removesuffix(".zip")
                source.requests[name] += 1
                body = BODIES[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                source.asked.set()
                source.go_on.wait(200)
                if not source.cut:
                    self.wfile.write(body[len(body) // 2 :])

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


def from_server(address: str) -> None:
    """Let this process's models come from there, with the digests of its files."""
    sha256 = hashlib.sha256(ONNX).hexdigest()
    for module in (model_table, models):
        module.KNOWN = tuple(
            replace(
                model,
                source=f"{address}{model.name}/{Path(model.source).name}",
                size=len(ONNX),
                sha256=sha256,
            )
            if KINDS.get(model.name) == model.backend
            else replace(model, size=None, sha256=None)
            for model in KNOWN
        )


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.close()


@pytest.fixture
def home(source, tmp_path, monkeypatch) -> Path:
    """An empty home, whose models come from the source."""
    for name in ("WEBBODY_CACHE", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(model_table, "KNOWN", KNOWN)
    monkeypatch.setattr(models, "KNOWN", KNOWN)
    from_server(source.address)
    from insightface.utils import storage

    monkeypatch.setattr(storage, "MODEL_ZOO_RELEASE_DOWNLOAD_URL", source.address)
    return tmp_path


def worker(source: Source, home: Path, name: str = HUB) -> subprocess.Popen[str]:
    environment = {**os.environ, "HOME": str(home)}
    for unset in ("WEBBODY_CACHE", "XDG_CACHE_HOME", "TORCH_HOME"):
        environment.pop(unset, None)
    command = [sys.executable, "-c", WORKER, source.address, name, KINDS[name]]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def files_below(folder: Path) -> set[str]:
    """Models and archives, whole or not, but not the settings that libraries keep."""
    endings = (".onnx", ".zip", ".partial")
    return {path.name for path in folder.rglob("*") if path.name.endswith(endings)}


def test_workers_of_a_machine_fetch_a_model_once(source, tmp_path):
    """Two machines (homes), three workers on each, which ask while the first is fetching."""
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    workers = [worker(source, home) for home in homes for _ in range(3)]
    places = {running.communicate(timeout=240)[0].strip() for running in workers}
    assert [running.returncode for running in workers] == [0] * 6
    assert source.requests == {HUB: 2}
    assert len(places) == 2 and all(Path(place).read_bytes() == ONNX for place in places)


def test_a_worker_that_is_killed_leaves_nothing_that_counts(source, home):
    source.go_on.clear()
    killed = worker(source, home)
    assert source.asked.wait(120)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    source.go_on.set()
    place = models.resolve(HUB, FACE_DETECTOR)
    assert place.read_bytes() == ONNX and source.requests[HUB] == 2
    assert not list(home.rglob(".webbody-fetch-*"))
    assert models.resolve(HUB, FACE_DETECTOR) == place and source.requests[HUB] == 2


@pytest.mark.parametrize("name", KINDS)
def test_what_is_cut_off_never_counts(source, home, name):
    source.cut = True
    with pytest.raises(WebbodyError, match=r"cut off|cannot be fetched") as told:
        models.resolve(name, KINDS[name])
    assert f"webbody models fetch {name}" in str(told.value)
    assert files_below(home) == set()
    source.cut = False
    assert models.resolve(name, KINDS[name]).read_bytes() == ONNX
    assert not list(home.rglob(".webbody-fetch-*"))


def test_a_pack_is_fetched_once_for_all_its_models(source, home):
    detector, embedder = models.fetch([PACK])
    assert (detector.name, embedder.name) == ("det_500m.onnx", "w600k_mbf.onnx")
    assert source.requests == {PACK: 1}
    assert files_below(home) == {"det_500m.onnx", "w600k_mbf.onnx"}
