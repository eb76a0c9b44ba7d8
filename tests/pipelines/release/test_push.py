"""Pushing to the hub. Nothing here asks the real one.

Refusals come from a server on loopback, asked by huggingface_hub itself; what a push does where it
may is told by a stand-in that notes the calls.
"""

import json
from types import SimpleNamespace

import pytest
from hostile_server import Server
from made_up_release import make_release

from pipelines.release.push import push, repository
from tests.command_line import one_sentence
from tests.command_line import run as command
from webbody.errors import WebbodyError

ADDRESS = "hf://datasets/org/name"


class Hub:
    """Notes what it is asked."""

    def __init__(self, tags: tuple[str, ...] = ()) -> None:
        self.calls: list[tuple[str, dict]] = []
        self._tags = tags

    def __getattr__(self, name: str):
        def call(**arguments):
            self.calls.append((name, arguments))
            if name == "list_repo_refs":
                return SimpleNamespace(tags=[SimpleNamespace(name=tag) for tag in self._tags])
            return "https://example.org/datasets/org/name"

        return call


@pytest.fixture
def release(tmp_path):
    make_release(tmp_path / "R", {1: 3, 3: 2})
    return tmp_path / "R"


def test_access_is_gated_before_anything_is_uploaded(release):
    hub = Hub(tags=("0.9",))
    assert push(release, ADDRESS, hub) == "https://example.org/datasets/org/name"
    names = [name for name, _ in hub.calls]
    assert names == [
        "create_repo", "update_repo_settings", "list_repo_refs", "upload_folder", "create_tag",
    ]  # fmt: skip
    asked = dict(hub.calls)
    assert all(one["repo_id"] == "org/name" for one in asked.values())
    assert all(one["repo_type"] == "dataset" for one in asked.values())
    assert asked["create_repo"]["private"] is True
    assert asked["update_repo_settings"]["gated"] == "manual"
    assert asked["upload_folder"]["folder_path"] == str(release)
    assert asked["create_tag"]["tag"] == "1.0"


def test_the_calls_are_those_of_the_real_library(release):
    import inspect

    huggingface_hub = pytest.importorskip("huggingface_hub")
    hub = Hub()
    push(release, ADDRESS, hub)
    for name, arguments in hub.calls:
        inspect.signature(getattr(huggingface_hub.HfApi(), name)).bind(**arguments)


def test_a_version_is_published_once(release):
    hub = Hub(tags=("1.0",))
    with pytest.raises(WebbodyError, match="raise the version"):
        push(release, ADDRESS, hub)
    assert "upload_folder" not in dict(hub.calls)


def test_drafts_and_damaged_releases_stay_here(release):
    path = release / "data/train-00000.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    hub = Hub()
    with pytest.raises(WebbodyError, match=r"train-00000\.parquet"):
        push(release, ADDRESS, hub)
    content = json.loads((release / "release.json").read_text())
    (release / "release.json").write_text(json.dumps({**content, "draft": True}))
    with pytest.raises(WebbodyError, match="is a draft"):
        push(release, ADDRESS, hub)
    assert hub.calls == []


@pytest.mark.parametrize("status", [401, 403])
def test_without_rights_it_says_so_in_a_sentence(release, server: Server, status):
    huggingface_hub = pytest.importorskip("huggingface_hub")

    def refuse(it):
        # This server answers once on a connection, and the library would ask again on it.
        it.rfile.read(int(it.headers.get("content-length", 0)))
        it.reply(status, b'{"error": "no"}', "Connection: close")

    for path in ("/api/repos/create", "/api/datasets/org/name"):
        server.routes[path] = refuse
    api = huggingface_hub.HfApi(endpoint=server.url(""), token="hf_nobody")
    with pytest.raises(WebbodyError, match=f"HTTP {status}.*hf auth login") as caught:
        push(release, ADDRESS, api)
    assert "\n" not in str(caught.value) and "hf_nobody" not in str(caught.value)
    assert server.hits["/api/repos/create"] == 1


@pytest.mark.parametrize("address", ["org/name", "hf://org/name", "hf://datasets/org", "s3://a/b"])
def test_another_address_is_refused_before_anything_is_written(tmp_path, address):
    with pytest.raises(WebbodyError, match="ORGANISATION/NAME"):
        repository(address)
    code, _, error = command("release", tmp_path, "--out", tmp_path / "R", "--push", address)
    assert code == 2 and one_sentence(error)
    assert not (tmp_path / "R").exists()


def test_a_release_that_is_there_is_pushed_by_the_command(release, monkeypatch):
    hub = Hub()
    monkeypatch.setattr("pipelines.release.push._hub", lambda: hub)
    code, text, _ = command("release", release, "--push", ADDRESS)
    assert code == 0 and text.strip() == "https://example.org/datasets/org/name"
    assert dict(hub.calls)["upload_folder"]["folder_path"] == str(release)


def test_a_draft_is_not_pushed(tmp_path):
    code, _, error = command(
        "release", tmp_path, "--out", tmp_path / "R", "--draft", "--push", ADDRESS
    )
    assert code == 2 and "draft" in error and one_sentence(error)
