"""Runs that are validated: when, with what result, and which model is kept."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as multiprocessing

from model import SapiensID
from model.training import run as run_module
from model.training.data.table import read_table
from model.training.monitoring.validation import rank_held_out, read_held_out
from model.training.monitoring.validator import Score, Validator
from model.training.run import CheckpointPolicy, train
from model.training.steps.classifier_trainer import StepSamples
from model.training.steps.plan import TrainingStep
from tests.model.training import runs
from tests.model.training.full_disk import full_disk
from tests.model.training.small_shards import write_shards
from webbody.errors import WebbodyError

HABITS = CheckpointPolicy(checkpoint_steps=3, keep_checkpoints=2, log_seconds=0)
EVERY = 2


class Validated:
    """A run with a validator; what it told."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder, self.scores, self.losses = folder, list[tuple[Score, bool]](), list[float]()
        self.held_out = read_held_out([source], [], read_table)
        self.trainer = runs.trainer()

    def go(self, samples=None) -> bool:
        validator = Validator(
            self.held_out,
            self.folder / "best",
            every=EVERY,
            batch=4,
            on_score=lambda score, best: self.scores.append((score, best)),
        )
        return train(
            self.trainer,
            runs.steps(),
            samples or self._samples,
            self.folder / "checkpoints",
            runs.RUN,
            HABITS,
            lambda progress: self.losses.append(progress.loss),
            validator,
        )

    def _samples(self, steps: Sequence[TrainingStep]) -> Iterator[StepSamples]:
        of = self.trainer.classifier
        return (runs.samples(step, of.rank, of.ranks) for step in steps)

    @property
    def timeless(self) -> list[tuple[Score, bool]]:
        return [(replace(score, seconds=0), best) for score, best in self.scores]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("held"), 13, 5)


@pytest.fixture(scope="module")
def whole(source: str, tmp_path_factory: pytest.TempPathFactory) -> Validated:
    one = Validated(tmp_path_factory.mktemp("whole"), source)
    assert one.go()
    return one


def test_before_now_and_then_and_at_the_end(whole: Validated) -> None:
    steps = runs.steps()
    done = [score.done for score, _ in whole.scores]
    assert done == [*range(0, len(steps), EVERY), *([len(steps)] if len(steps) % EVERY else [])]
    seen = [0, *(step.start + step.size for step in steps)]
    assert [score.seen for score, _ in whole.scores] == [seen[number] for number in done]
    assert len({score.mAP for score, _ in whole.scores}) > 1


def test_validation_changes_no_loss(whole: Validated, tmp_path: Path) -> None:
    seen: list[float] = []
    samples = lambda steps: (runs.samples(step, 0, 1) for step in steps)  # noqa: E731
    train(
        runs.trainer(), runs.steps(), samples, tmp_path, runs.RUN, HABITS,
        lambda progress: seen.append(progress.loss),
    )  # fmt: skip
    assert whole.losses == seen


def test_the_best_trained_model_is_kept_with_its_score(whole: Validated) -> None:
    trained = [score for score, _ in whole.scores[1:]]
    best = max(trained, key=lambda score: (score.rank1, score.mAP))  # the first of equal ones
    told = [score for score, is_best in whole.scores if is_best]
    assert told[-1] == best and whole.scores[0][0] not in told
    folder = whole.folder / "best"
    assert Score(**json.loads((folder / "score.json").read_text())) == best
    model = SapiensID.from_pretrained(folder)
    found = rank_held_out(model, whole.held_out, batch=5, device=torch.device("cpu"))
    assert (found.rank1, found.mAP) == pytest.approx((best.rank1, best.mAP), abs=1e-6)
    assert sorted(path.name for path in whole.folder.iterdir()) == ["best", "checkpoints"]


def test_a_finished_run_is_not_validated_again(whole: Validated, source: str) -> None:
    again = Validated(whole.folder, source)
    assert again.go() and again.scores == []


def test_a_stopped_run_owes_its_validation_and_knows_its_best(
    whole: Validated, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped where a validation is due: it comes first when the run goes on."""
    monkeypatch.setattr(run_module, "CHECK", 1)

    def preempted(steps: Sequence[TrainingStep]) -> Iterator[StepSamples]:
        for step in steps:
            if step.number == 2 * EVERY - 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield runs.samples(step, 0, 1)

    first, second = Validated(tmp_path, source), Validated(tmp_path, source)
    assert first.go(preempted) is False
    assert [score.done for score, _ in first.scores] == [0, EVERY]
    assert second.go()
    assert second.scores[0][0].done == 2 * EVERY
    assert first.timeless + second.timeless == whole.timeless
    assert first.losses + second.losses == whole.losses
    scores = [
        json.loads((folder / "best" / "score.json").read_text())
        for folder in (whole.folder, tmp_path)
    ]
    assert [score["done"] for score in scores] == [scores[0]["done"]] * 2


def test_a_best_model_that_cannot_be_written_leaves_the_old_one(
    source: str, tmp_path: Path
) -> None:
    one, steps = Validated(tmp_path, source), runs.steps()

    def validate(done: int) -> None:
        told: list[bool] = []
        best = tmp_path / "best"
        new = Validator(
            one.held_out, best, every=1, batch=4, on_score=lambda _, is_best: told.append(is_best)
        )
        new(one.trainer, done, steps)
        assert told == [True]

    validate(2)
    with (
        full_disk(),
        pytest.raises(WebbodyError, match=r"best could not be written \(.*make room"),
    ):
        validate(4)
    assert json.loads((tmp_path / "best" / "score.json").read_text())["done"] == 2
    assert SapiensID.from_pretrained(tmp_path / "best").feature_dim == 16
    validate(5)
    assert json.loads((tmp_path / "best" / "score.json").read_text())["done"] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_two_processes_find_the_same(whole: Validated, source: str, tmp_path: Path) -> None:
    multiprocessing.spawn(_process, (2, tmp_path, source), nprocs=2)
    both = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert both[1]["told"] == []  # the first tells for all
    ours = [(score.done, score.rank1, score.mAP, score.queries) for score, _ in whole.scores]
    for seen, expected in zip(both[0]["told"], ours, strict=True):
        assert seen == pytest.approx(expected, abs=1e-3)
    assert both[0]["losses"] == both[1]["losses"] == pytest.approx(whole.losses, abs=1e-5, rel=1e-5)
    assert (tmp_path / "run" / "best" / "model.safetensors").is_file()


def _process(rank: int, ranks: int, root: Path, source: str) -> None:
    torch.set_num_threads(1)
    with runs.joined(rank, ranks, root):
        one = Validated(root / "run", source)
        one.go()
        told = [(score.done, score.rank1, score.mAP, score.queries) for score, _ in one.scores]
        torch.save({"told": told, "losses": one.losses}, root / f"{rank}.pt")
