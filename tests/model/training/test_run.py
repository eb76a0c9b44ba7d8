"""Whole runs: interrupted, preempted, gone astray."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from model.training import checkpoint, run
from model.training.run import Diverged, Habits, Progress, train
from model.training.steps.plan import Step
from model.training.steps.trainer import Samples
from tests.model.training import runs

OFTEN = Habits(checkpoint_steps=2, keep=2, log_seconds=0)


def share(steps: Sequence[Step]) -> Iterable[Samples]:
    return (runs.samples(step, 0, 1) for step in steps)


def go(folder: Path, samples=share, steps: Sequence[Step] | None = None) -> list[Progress]:
    """A run that reports every step; ends with the program's last word about it."""
    seen: list[Progress] = []
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
        assert one.rate == step.rate
        assert one.tokens / one.images == pytest.approx(step.tokens)
        assert 0 <= one.waiting <= 1 and one.norm > 0 and one.gradient > 0


def test_a_finished_run_has_nothing_to_do(tmp_path: Path, losses: list[float]) -> None:
    go(tmp_path)
    assert go(tmp_path) == []


def test_sigterm_leaves_a_checkpoint_and_the_run_goes_on(
    tmp_path: Path, losses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHECK", 1)

    def preempted(steps: Sequence[Step]) -> Iterator[Samples]:
        for step in steps:
            if step.number == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            yield runs.samples(step, 0, 1)

    first: list[Progress] = []
    trainer, handler = runs.trainer(), signal.getsignal(signal.SIGTERM)
    ended = train(trainer, runs.steps(), preempted, tmp_path, runs.RUN, OFTEN, first.append)
    assert ended is False
    assert checkpoint.checkpoints(tmp_path)[-1].name == "step-00000004"
    assert signal.getsignal(signal.SIGTERM) is handler
    assert [one.loss for one in first + go(tmp_path)] == losses


def test_an_exploding_run_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHECK", 1)
    steps = [replace(s, rate=1e38) if s.number == 4 else s for s in runs.steps()]
    with pytest.raises(Diverged, match=r"at step 6; the last good checkpoint is .*step-00000004"):
        go(tmp_path, steps=steps)
    assert checkpoint.checkpoints(tmp_path)[-1].name == "step-00000004"


PROGRAM = """
import sys
from pathlib import Path
from tests.model.training.test_run import OFTEN, share
from tests.model.training import runs
from model.training.run import train

def report(progress):
    print(progress.done, repr(progress.loss), flush=True)

train(runs.trainer(), runs.steps(), share, Path(sys.argv[1]), runs.RUN, OFTEN, report)
"""


def test_killed_runs_go_on_exactly(tmp_path: Path, losses: list[float]) -> None:
    """SIGKILL after the third step, twice: what follows is what would have followed."""
    seen: dict[int, float] = {}
    root = Path(__file__).parents[3]
    for kill in (True, True, False):
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)],
            stdout=subprocess.PIPE, text=True, cwd=root,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert program.stdout is not None
        for count, line in enumerate(program.stdout, 1):
            done, loss = line.split()
            assert seen.setdefault(int(done), float(loss)) == float(loss)
            if kill and count == 3:
                program.kill()
                break
        program.wait()
        program.stdout.close()
    assert [seen[done] for done in sorted(seen)] == losses
