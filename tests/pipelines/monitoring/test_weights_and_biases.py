"""Builds at Weights & Biases, offline: numbers, and nothing of the machine or the command."""

import socket
import sys

import pytest

from pipelines.monitoring import weights_and_biases
from pipelines.monitoring.metrics import BuildMetrics, StageMetrics
from pipelines.monitoring.weights_and_biases import open_dashboard
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.storage import Folder

METRICS = BuildMetrics("data", "key", "then", "now", 1.0, 0, {"faces": StageMetrics(9, 4)})
SECRETS = ("pa55word", "Mary Smith", socket.gethostname())


@pytest.fixture(params=["local", "store"])
def folder(request, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(
        sys, "argv", ["webbody", "build", "-m", "s3://k:pa55word@bucket/Mary Smith"]
    )
    found = Folder(tmp_path if request.param == "local" else f"memory://{tmp_path.name}")
    yield found
    if found.fs.exists(found.root):
        found.fs.rm(found.root, recursive=True)


def test_a_build_sends_its_figures_alone_and_goes_on_with_its_run(folder, tmp_path, capfd):
    ids = set()
    for _ in range(2):
        dashboard = open_dashboard(folder, "builds", pytest.fail)
        print("Mary Smith")
        dashboard.show(METRICS)

        dashboard.close()
        ids.add(folder.read("wandb.id"))
    assert len(ids) == 1
    if folder.local:
        content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"faces/shards/done" in content
        assert not [text for text in SECRETS if len(text) > 4 and text.encode() in content]
    else:
        assert folder.names() == ["wandb.id"]


def test_figures_that_are_refused_cost_the_build_nothing(folder, monkeypatch, caplog):
    dashboard = open_dashboard(folder, "builds", pytest.fail)

    def refuse(figures, step):
        raise RuntimeError("the run is over")

    monkeypatch.setattr(dashboard._run, "add", refuse)
    dashboard.show(METRICS)
    dashboard.close()
    assert "does not take metrics: the run is over" in caplog.text


@pytest.mark.parametrize("project", ["a/b", "x" * 999])
def test_a_project_that_wandb_refuses_is_one_sentence(folder, project):
    with pytest.raises(WebbodyError, match=r"^Weights & Biases cannot be used \(.+leave out resou"):
        open_dashboard(folder, project, pytest.fail)


def test_settings_that_wandb_refuses_are_one_sentence(folder, monkeypatch):
    def init(**settings):
        raise ValueError("1 validation error for Settings\nmode")  # as for WANDB_MODE=banana

    monkeypatch.setattr("wandb.init", init)
    with pytest.raises(WebbodyError, match=r"\(1 validation error for Settings mode\): log in"):
        open_dashboard(folder, "builds", pytest.fail)


@pytest.mark.parametrize("damage", [b"", b"\xff\x00", b"two\nlines"])
def test_a_damaged_id_begins_another_run(folder, damage):
    folder.write_bytes("wandb.id", damage)
    open_dashboard(folder, "builds", pytest.fail).close()
    assert len(folder.read("wandb.id")) == 12


def test_without_wandb_a_build_goes_on(tmp_path, monkeypatch):
    notes = []
    monkeypatch.setattr(weights_and_biases, "find_spec", lambda name: None)
    assert open_dashboard(Folder(tmp_path), "builds", notes.append) is None
    assert len(notes) == 1 and "pip install wandb" in notes[0]
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_sent_unless_asked():
    assert BuildConfig().resources.wandb == ""
