"""What a run needs and takes, told before it starts."""

from pathlib import Path
from typing import Any

import pytest

from model.training.estimate import footprint
from model.training.estimate.dry_run import TrainingEstimate, dry_run
from model.training.start import start
from tests.command_line import run
from tests.model.training.small_shards import write_shards
from webbody.train_config import TrainConfig

#: Small, but with weights that outweigh the files' headers.
CHANGES: dict[str, Any] = {
    "model": {
        "preset": "tiny",
        "arguments": {"image_size": 96, "depth": 1, "width": 64, "heads": 2, "feature_dim": 64},
    },
    "optimization": {"epochs": 2, "warmup_epochs": 0, "batch": 8, "batch_multiple": 2},
    "tokens": {"min": 40, "max": 80, "multiple": 4},
    "resources": {"device": "cpu", "workers": 0, "log_seconds": 0.001},
}


def settings(source: str, out: Path | str, **optimization: Any) -> dict[str, Any]:
    changes = {**CHANGES, "optimization": {**CHANGES["optimization"], **optimization}}
    return TrainConfig(data={"sources": (source,)}, out=str(out), **changes).model_dump()


def quietly(*_: Any) -> None:
    pass


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("data"), 20, 8)


@pytest.fixture(scope="module")
def found(source: str) -> TrainingEstimate:
    return dry_run(settings(source, ""), quietly)


def test_it_is_the_run_that_would_start(
    found: TrainingEstimate, source: str, tmp_path: Path
) -> None:
    done: list[Any] = []
    assert start(settings(source, tmp_path), quietly, done.append)
    assert (found.steps, found.images) == (done[-1].steps, done[-1].seen)
    (checkpoint,) = sorted((tmp_path / "checkpoints").iterdir())[-1:]
    size = sum(path.stat().st_size for path in checkpoint.rglob("*") if path.is_file())
    assert found.checkpoint == pytest.approx(size, rel=0.05)
    assert found.people == 10 and found.classifier == 10 * 64
    assert 40 <= found.tokens <= 80 and found.largest == 8 and found.ranks == 1
    assert set(found.parameters) >= {"patch_embed", "keypoint_bias", "blocks", "head"}


def test_memory_is_weights_and_what_a_step_adds(found: TrainingEstimate, source: str) -> None:
    memory = found.memory
    weights = 4 * (sum(found.parameters.values()) + found.classifier)
    assert weights <= memory.weights < 1.2 * weights  # tables that are not learned
    assert memory.gradients == weights and memory.moments == 2 * weights
    assert memory.activations is not None and memory.peak is None
    double = dry_run(settings(source, "", batch=16), quietly)
    assert double.largest == 16 and double.memory.activations is not None
    assert double.memory.activations == pytest.approx(2 * memory.activations, rel=0.1)
    assert memory.total == memory.weights + 3 * weights + memory.activations


def test_time_is_arithmetic_and_loading(found: TrainingEstimate) -> None:
    speed = found.speed
    assert speed is not None and speed.step > 0 and speed.loading > 0
    # Without processes of its own the loader works in between.
    expected = speed.step * found.steps + found.images / speed.loading
    assert speed.total == pytest.approx(expected)


def test_what_cannot_fit_is_not_tried(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "free_memory", lambda device: 1000)
    found = dry_run(settings(source, ""), quietly)
    assert found.speed is None and found.memory.activations is None and found.memory.free == 1000


def test_the_command_prints_it_and_writes_the_cache_alone(source: str, tmp_path: Path) -> None:
    arguments = [source, "--dry-run", "--preset", "demo", "-s", "optimization.batch=8"]
    arguments += ["-s", "model.arguments={image_size: 96, depth: 1, width: 32, heads: 2}"]
    arguments += ["-s", "optimization.epochs=1"]
    code, output, error = run("train", *arguments, "--out", tmp_path / "run")
    assert (code, error) == (0, "")
    topics = [line.split()[0] for line in output.splitlines()]
    assert topics == ["Model", "Classifier", "Steps", "Memory", topics[4], "Checkpoint", "Time"]
    assert "10 people" in output and "images/s" in output
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["cache"]
    code, _, error = run("train", *arguments)
    assert code == 0, error
