"""Runs in Ray's workers: like one process, whatever happens to the workers."""

import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from model import SapiensID
from model.training import checkpoint
from model.training.monitoring.progress import TrainingProgress
from model.training.on_ray import start_on_ray
from model.training.start import start
from tests.command_line import run
from tests.model.training.small_runs import settings, write_people
from tests.model.training.steps.test_trainer import SHIFTS
from webbody.errors import WebbodyError

LONG = {"optimization": {"epochs": 12}}
#: A softmax takes this shift away: there, too, AdamW makes steps of rounding errors.
NOISE = {*SHIFTS, "keypoint_bias.mix.bias"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_people(tmp_path_factory.mktemp("people"))


class Heard:
    """What a run says and reports; something may happen after a step."""

    def __init__(self, at: int = 0, act: Callable[[], None] = lambda: None) -> None:
        self.said: list[str] = []
        self.losses: dict[int, float] = {}
        self._at, self._act = at, act

    def report(self, progress: TrainingProgress) -> None:
        self.losses[progress.done] = progress.loss
        if progress.done == self._at:
            self._act()


def on_ray(chosen: dict, heard: Heard, **cluster) -> bool:
    chosen["ray"] = {**chosen["ray"], "workers": 2, **cluster}
    return start_on_ray(chosen, heard.said.append, heard.report)


def in_one_process(chosen: dict) -> Heard:
    heard = Heard()
    assert start(chosen, heard.said.append, heard.report)
    return heard


def assert_same(one: Path, other: Path) -> None:
    ours, theirs = (SapiensID.from_pretrained(path / "model").state_dict() for path in (one, other))
    for name in ours.keys() - NOISE:
        difference = (ours[name].double() - theirs[name].double()).abs().max().item()
        assert difference < 1e-4, name


def command(chosen: dict, folder: Path, *options: str) -> tuple[list[str], dict[int, float]]:
    """`webbody train` in a folder: its lines and losses."""
    (folder / "settings.yaml").write_text(json.dumps(chosen))
    with contextlib.chdir(folder):
        code, output, error = run("train", "--config", "settings.yaml", *options)
    assert code == 0, error
    log = (folder / chosen["out"] / "log.jsonl").read_text().splitlines()
    losses = {line["done"]: line["loss"] for line in map(json.loads, log)}
    return (output + error).splitlines(), losses


def test_two_workers_train_like_one_process(ray_session, data: str, tmp_path: Path) -> None:
    """Relative paths, too, mean the same to workers elsewhere."""
    data = os.path.relpath(data, tmp_path)
    said, losses = command(settings(data, Path("one")), tmp_path)
    also_said, also_losses = command(settings(data, Path("two")), tmp_path, "--workers", "2")
    assert also_losses == pytest.approx(losses, rel=1e-4)
    assert len(losses) > 6 and len(also_said) == len(said) == len(losses) + 2
    assert also_said[0] == said[0] and also_said[-1] == "Model  two/model"
    assert_same(tmp_path / "one", tmp_path / "two")
    assert not (tmp_path / "two/ray").exists()


def test_more_workers_than_ray_has_room_for_are_told(ray_session, data: str, tmp_path: Path):
    with pytest.raises(WebbodyError, match="9 workers need 9 CPUs and 0 GPUs, but Ray has 2 and"):
        on_ray(settings(data, tmp_path), Heard(), workers=9)


def workers() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [process for process in found if process.name().startswith("ray::RayTrainWo")]


@pytest.mark.slow
def test_a_killed_worker_takes_all_back_to_the_newest_checkpoint(
    ray_session, data: str, tmp_path: Path
) -> None:
    whole = in_one_process(settings(data, tmp_path / "one", **LONG))
    heard = Heard(at=4, act=lambda: workers()[-1].kill())
    assert on_ray(settings(data, tmp_path / "two", **LONG), heard)
    assert any("A worker died" in text for text in heard.said)
    # Death between a checkpoint and its report takes the report along.
    unheard = whole.losses.keys() - heard.losses.keys()
    assert len(unheard) <= 1 and max(whole.losses) not in unheard
    expected = {step: whole.losses[step] for step in heard.losses}
    assert heard.losses == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
def test_workers_that_die_too_often_are_told(ray_session, data: str, tmp_path: Path) -> None:
    heard = Heard(at=4, act=lambda: workers()[-1].kill())
    with pytest.raises(WebbodyError, match=r"a worker died .*restarts allows \(0\); run the same"):
        on_ray(settings(data, tmp_path, **LONG), heard, restarts=0)
    assert checkpoint.checkpoints(tmp_path / "checkpoints")


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_and_the_run_goes_on(
    ray_session, data: str, tmp_path: Path
) -> None:
    whole = in_one_process(settings(data, tmp_path / "one", **LONG))
    heard = Heard(at=4, act=lambda: os.kill(os.getpid(), signal.SIGTERM))
    chosen = settings(data, tmp_path / "two", **LONG)
    assert on_ray(chosen, heard) is False
    (newest,) = checkpoint.checkpoints(tmp_path / "two/checkpoints")[-1:]
    assert checkpoint.steps_done(newest) == max(heard.losses) < max(whole.losses)
    assert start(chosen, heard.said.append, heard.report)
    assert heard.losses == pytest.approx(whole.losses, rel=1e-3)


@pytest.mark.slow
def test_a_workers_error_is_told_as_in_one_process(ray_session, data: str, tmp_path: Path) -> None:
    with pytest.raises(WebbodyError, match="3 processes cannot share batches that are multiples"):
        on_ray(settings(data, tmp_path), Heard(), workers=3, cpus=0.5)
