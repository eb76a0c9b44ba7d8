"""A run that compares with a sample of its people goes on at any number of ranks."""

from pathlib import Path

import pytest

from model.losses import load_shard
from model.training import checkpoint
from tests.model.training import runs

RATE = 0.1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """An uninterrupted run of one process."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, runs.run(folder, rate=RATE)


def rows(folder: Path):
    one = runs.trainer(RATE).classifier
    load_shard(checkpoint.checkpoints(folder)[-1], one)
    return one.weight.detach()


def test_two_ranks_then_one(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    folder, losses = whole
    first = runs.in_processes(2, tmp_path / "ranks", tmp_path / "run", end=3, rate=RATE)[0]
    second = runs.run(tmp_path / "run", begin=3, rate=RATE)
    assert first + second == pytest.approx(losses, abs=1e-5, rel=1e-5)
    assert (rows(tmp_path / "run") - rows(folder)).abs().max() < 1e-5


def test_one_rank_then_two(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    folder, losses = whole
    first = runs.run(tmp_path / "run", end=3, rate=RATE)
    both = runs.in_processes(2, tmp_path / "ranks", tmp_path / "run", begin=3, rate=RATE)
    assert first + both[0] == pytest.approx(losses, abs=1e-5, rel=1e-5)
    assert (rows(tmp_path / "run") - rows(folder)).abs().max() < 1e-5


def test_a_sample_of_the_people_makes_a_lower_loss(whole: tuple[Path, list[float]]) -> None:
    step, (_, losses) = runs.steps()[0], whole
    full = runs.trainer(RATE)
    full.classifier.sample_rate = 1.0
    loss = full.step(step, runs.samples(step, 0, 1)).loss.item()
    assert loss - losses[0] > 1.0  # a tenth of the people: about ln 10
