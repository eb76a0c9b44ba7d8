"""The server's behaviours, asked over a real loopback connection."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.client import IncompleteRead

import pytest

from webbody.demo.website import kinds
from webbody.demo.website.server import Handler, serve
from webbody.errors import WebbodyError

BODY = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path):
    """A web with a file for each behaviour, at a path of the behaviour's name."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files/one.jpg").write_bytes(BODY)
    (tmp_path / "secret.txt").write_text("not served")
    served = {name: {"file": "one.jpg", "behaviour": name} for name in kinds.BEHAVIOURS}
    served["été à la plage.jpg"] = {"file": "one.jpg", "behaviour": "plain"}
    served["x?size=1&v=2"] = {"file": "one.jpg", "behaviour": "redirect"}
    (tmp_path / "behaviours.json").write_text(json.dumps(served))
    (tmp_path / "web.json").write_text(json.dumps({"port": 0}))
    return tmp_path


@pytest.fixture
def get(folder):
    with serve(folder, 0) as server:
        base = f"http://127.0.0.1:{server.server_port}/"

        def fetch(path: str, timeout: float = 3):
            return urllib.request.urlopen(base + path, timeout=timeout)

        yield fetch


def status(get, path: str) -> int:
    try:
        with get(path) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_every_behaviour_has_an_answer():
    for name in kinds.BEHAVIOURS:
        assert hasattr(Handler, "answer_" + name.replace("-", "_")), name


def test_a_plain_file_comes_with_its_type(get):
    with get("one.jpg") as answer:
        assert answer.read() == BODY
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["Content-Length"] == str(len(BODY))


def test_nothing_outside_the_files_is_served(get):
    for path in ("../secret.txt", "%2e%2e/secret.txt", "nothing.jpg", "", "/etc/hostname"):
        assert status(get, path) == 404


@pytest.mark.parametrize(
    ("path", "code"), [("missing", 404), ("gone", 410), ("forbidden", 403), ("broken", 500)]
)
def test_broken_links(get, path, code):
    assert status(get, path) == code


def test_once_failures_fail_the_first_request_of_every_pair(get):
    assert [status(get, "error-once") for _ in range(4)] == [500, 200, 500, 200]
    assert [status(get, "busy-once") for _ in range(4)] == [503, 200, 503, 200]


def test_a_first_request_without_a_second_is_forgotten(get, monkeypatch):
    monkeypatch.setattr("webbody.demo.website.server.FORGET", 0.05)
    assert status(get, "error-once") == 500
    time.sleep(0.1)
    assert [status(get, "error-once") for _ in range(2)] == [500, 200]


def test_busy_says_when_to_come_back(get):
    with pytest.raises(urllib.error.HTTPError) as caught:
        get("busy-once")
    assert caught.value.headers["Retry-After"] == "1"
    caught.value.close()


def test_opt_outs_are_headers(get):
    headers = {}
    for name in ("opt-out-robots", "opt-out-agent", "opt-out-other", "opt-out-tdm"):
        with get(name) as answer:
            headers[name] = (answer.headers["X-Robots-Tag"], answer.headers["tdm-reservation"])
    assert headers == {
        "opt-out-robots": ("noai, noimageai", None),
        "opt-out-agent": ("webbody: noimageai", None),
        "opt-out-other": ("otherbot: noai", None),
        "opt-out-tdm": (None, "1"),
    }


def test_redirects(get):
    for path in ("redirect", "x?size=1&v=2"):
        with get(path) as answer:
            assert answer.read() == BODY
            assert "/moved/" in answer.url
    with pytest.raises(urllib.error.HTTPError, match="loop"):
        get("redirect-loop")
    for path in ("redirect-private", "redirect-file"):
        target = _location(get, path)
        assert not target.startswith("/")


def test_odd_heads_and_codings(get):
    with get("header-odd") as answer:
        assert answer.read().endswith(BODY)  # http.client takes the rest of the head for the body
    with get("coding-odd") as answer:
        assert (answer.headers["Content-Encoding"], answer.read()) == ("aws-chunked", BODY)
    for path in ("opt-out-date", "opt-out-words"):
        with get(path) as answer:
            assert "noai" in answer.headers["X-Robots-Tag"]


def test_a_redirect_in_latin_1(get):
    target = _location(get, "redirect-latin")
    assert target.encode("latin-1") == b"/moved-\xf6/redirect-latin"
    with get("moved-%F6/redirect-latin") as answer:
        assert answer.read() == BODY
    assert status(get, "moved-%EF%BF%BD/redirect-latin") == 404


def test_names_with_blanks_and_accents(get):
    with get("%C3%A9t%C3%A9%20%C3%A0%20la%20plage.jpg") as answer:
        assert answer.read() == BODY


def test_bodies_that_end_early(get):
    with pytest.raises(IncompleteRead):
        get("cut-body").read()
    with pytest.raises((IncompleteRead, ConnectionResetError)):
        get("reset").read()
    with get("empty") as answer:
        assert answer.read() == b""


def test_bodies_that_are_too_large(get):
    with get("oversized") as answer:
        assert int(answer.headers["Content-Length"]) > kinds.OVERSIZED
    with get("oversized-undeclared") as answer:
        assert answer.headers["Content-Length"] is None
        assert len(answer.read()) > kinds.BUILD_SETTINGS["download.max_bytes"]


def test_bodies_of_another_type(get):
    with get("html") as answer:
        assert answer.headers["Content-Type"] == "text/html"
    with get("html-as-jpeg") as answer:
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.read().startswith(b"<!doctype html>")
    with get("wrong-type") as answer:
        assert (answer.headers["Content-Type"], answer.read()) == ("text/plain", BODY)


def test_slow_ends_and_endless_does_not(get):
    started = time.monotonic()
    with get("slow") as answer:
        assert answer.read() == BODY
    assert 0.5 < time.monotonic() - started < 3
    with get("endless") as answer:
        assert answer.read(2) == BODY[:2]


def test_stopping_does_not_wait_for_endless_answers(folder):
    with serve(folder, 0) as server:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/endless")
        started = time.monotonic()
    assert time.monotonic() - started < 1
    answer.close()


def test_a_taken_port_names_the_flag(folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(WebbodyError, match=f"Port {port} .*--port"), serve(folder, port):
            pass


def test_a_folder_without_a_web_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="make it first"), serve(tmp_path):
        pass


def test_the_command_serves_and_stops(folder):
    command = [sys.executable, "-m", "webbody.demo.website.server", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            base = process.stdout.readline().split()[0]
            with urllib.request.urlopen(base + "/one.jpg") as answer:
                assert answer.read() == BODY
        finally:
            process.terminate()


def _location(get, path: str) -> str:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments):
            return None

    with get("one.jpg") as answer:
        base = answer.url.removesuffix("one.jpg")
    try:
        urllib.request.build_opener(Stay).open(base + path).close()
    except urllib.error.HTTPError as error:
        error.close()
        return error.headers["Location"]
    raise AssertionError("no redirect")
