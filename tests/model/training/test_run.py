"""Whole runs: interrupted, preempted, gone astray."""

import math
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from model.training import checkpoint, run
from model.training.run import CheckpointPolicy, Diverged, TrainingProgress, train
from model.training.steps.classifier_trainer import StepSamples
from model.training.steps.plan import TrainingStep
from tests.model.training import runs

OFTEN = CheckpointPolicy(checkpoint_steps=2, keep_checkpoints=2, log_seconds=0)


def share(steps: Sequence[TrainingStep]) -> Iterable[StepSamples]:
    return (runs.samples(step, 0, 1) for step in steps)


def go(
    folder: Path, samples=share, steps: Sequence[TrainingStep] | None = None
) -> list[TrainingProgress]:
    """A run that reports every step; ends with the program's last word about it."""
    seen: list[TrainingProgress] = []
    train(runs.trainer(), steps or runs.steps(), samples, folder, runs.RUN, OFTEN, seen.append)
    return seen


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return [seen.loss for seen in go(tmp_path_factory.mktemp("whole"))]


def test_progress_is_told(tmp_path: Path) -> None:
    seen = go(tmp_path)
    todo = runs.steps()
    assert [one.done for one in seen] == list(range(1, len(todo) + 1))
    assert all(one.steps == len(todo) and one.images > 0 for one in seen)
    for one, step in zip(seen, todo, strict=True):
        assert one.lr == step.rate
        assert one.tokens / one.images == pytest.approx(step.tokens)
        assert 0 <= one.data_wait <= 1 and one.feature_norm > 0 and one.grad_norm > 0


def test_a_finished_run_has_nothing_to_do(tmp_path: Path, losses: list[float]) -> None:
    go(tmp_path)
    assert go(tmp_path) == []


def test_sigterm_leaves_a_checkpoint_and_the_run_goes_on(
    tmp_path: Path, losses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHECK", 1)

    def preempted(steps: Sequence[TrainingStep]) -> Iterator[StepSamples]:
        for step in steps:
            if step.number == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            yield runs.samples(step, 0, 1)

    first: list[TrainingProgress] = []
    trainer, handler = runs.trainer(), signal.getsignal(signal.SIGTERM)
    ended = train(trainer, runs.steps(), preempted, tmp_path, runs.RUN, OFTEN, first.append)
    assert ended is False
    assert checkpoint.checkpoints(tmp_path)[-1].name == "step-00000004"
    assert signal.getsignal(signal.SIGTERM) is handler
    assert [one.loss for one in first + go(tmp_path)] == losses


@pytest.mark.parametrize("check", [1, 20])
def test_an_exploding_run_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: int
) -> None:
    """However seldom it looks: before it saves it does."""
    monkeypatch.setattr(run, "CHECK", check)
    steps = [replace(s, rate=1e38) if s.number == 4 else s for s in runs.steps()]
    with pytest.raises(Diverged, match=r"at step 6; the last good checkpoint is .*step-00000004"):
        go(tmp_path, steps=steps)
    assert checkpoint.checkpoints(tmp_path)[-1].name == "step-00000004"


def test_weights_that_a_step_has_spoilt_are_not_saved(tmp_path: Path) -> None:
    """The step's own loss and gradient were sound."""
    steps = [replace(s, rate=math.inf) if s.number == 3 else s for s in runs.steps()]
    with pytest.raises(Diverged, match=r"at step 4; the last good checkpoint is .*step-00000002"):
        go(tmp_path, steps=steps)


PROGRAM = """
import sys
from pathlib import Path
from tests.model.training import runs
from tests.model.training.test_run import OFTEN
from model.training.run import train

folder, meet, rank, ranks = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])

def report(progress):
    print(progress.done, repr(progress.loss), flush=True)

def share(steps):
    return (runs.samples(step, rank, ranks) for step in steps)

with runs.joined(rank, ranks, meet):
    train(runs.trainer(), runs.steps(), share, folder, runs.RUN, OFTEN, report)
"""


def processes(ranks: int, folder: Path, meet: Path) -> list[subprocess.Popen[str]]:
    meet.mkdir()
    return [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, folder, meet, str(rank), str(ranks)],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(ranks)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def losses_of_two(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Of two processes, which round otherwise than one."""
    root = tmp_path_factory.mktemp("two")
    running = processes(2, root / "run", root / "meet")
    told = [process.communicate()[0] for process in running]
    return [float(line.split()[1]) for line in told[0].splitlines()]


def test_one_killed_process_goes_on_exactly(tmp_path: Path, losses: list[float]) -> None:
    """SIGKILL at any step, twice: what follows would have followed, bit by bit."""
    assert killed((1, 1, 1), tmp_path) == losses


@pytest.mark.parametrize("launches", [(2, 2), (2, 1)], ids=str)
def test_killed_processes_go_on_exactly(
    launches: tuple[int, ...], tmp_path: Path, losses_of_two: list[float]
) -> None:
    tolerance = 1e-6 if launches[-1] == 2 else 1e-5
    assert killed(launches, tmp_path) == pytest.approx(losses_of_two, rel=tolerance)


def killed(launches: tuple[int, ...], folder: Path) -> list[float]:
    """The losses of a run that is killed in all launches but the last, of so many processes each.

    A loss is the last that was told of a step: after a kill steps are computed again.
    """
    seen: dict[int, float] = {}
    for number, ranks in enumerate(launches):
        # At least the first checkpoint is left, so that the next launch really goes on.
        last = random.randint(2, 4) if number < len(launches) - 1 else None
        running = processes(ranks, folder / "run", folder / f"meet{number}")
        assert running[0].stdout is not None
        for count, line in enumerate(running[0].stdout, 1):
            done, loss = line.split()
            seen[int(done)] = float(loss)
            if count == last:
                break
        for process in running:
            if last is not None:
                process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    assert sorted(seen) == list(range(1, len(runs.steps()) + 1))
    return [seen[done] for done in sorted(seen)]
