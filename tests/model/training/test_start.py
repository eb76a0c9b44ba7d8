"""Runs from their settings: what they leave, and whose errors are told how."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model import SapiensID
from model.training import builders as assembly
from model.training.start import start
from model.training.steps.trainer import Trainer
from tests.model.training.small_runs import settings, write_people
from webbody.errors import WebbodyError


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_people(tmp_path_factory.mktemp("data"))


def go(chosen: dict[str, Any]) -> list[str]:
    """A run to its end; what it said."""
    said: list[str] = []
    assert start(chosen, said.append, lambda progress: None)
    return said


def test_a_run_with_validation_leaves_all_that_is_promised(people: str, tmp_path: Path) -> None:
    held_out = write_people(tmp_path / "held", shards=1)
    chosen = settings(people, tmp_path / "run", validation={"gallery": (held_out,), "steps": 10})
    said = go(chosen)
    left = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert left == [
        "best", "cache", "checkpoints", "curves.png", "log.jsonl", "model", "tensorboard",
        "validation-rankings.json", "validation.jsonl",
    ]  # fmt: skip
    lines = (tmp_path / "run" / "validation.jsonl").read_text().splitlines()
    scores = [json.loads(line) for line in lines]
    steps = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])["steps"]
    assert [score["done"] for score in scores] == [0, *range(10, steps, 10), steps]
    assert all(score["queries"] == 16 for score in scores)
    told = [text for text in said if text.startswith("Validation")]
    assert len(told) == len(scores)
    assert f"rank-1 {scores[0]['rank1']:.1%}" in told[0] and "the best" not in told[0]
    assert told[1].endswith("the best so far.")
    assert SapiensID.from_pretrained(tmp_path / "run" / "best").feature_dim == 16


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"model": {"arguments": {"wings": 2}}}, "model.arguments: .*wings"),
        ({"model": {"arguments": {"image_size": 97}}}, "model.arguments: an image of 97 pixels"),
        ({"augmentation": {"zoom": (1.1, 0.9)}}, "augmentation: zoom must be a range"),
        ({"tokens": {"min": 120, "max": 60}}, "tokens: kept tokens need"),
        ({"data": {"weights": (1.0, 2.0)}}, "data: 1 data sets need as many weights"),
        ({"data": {"sources": ("magic://x",)}}, "magic://x: Protocol not known"),
        ({"optimization": {"batch": 1}}, "optimization: batches of 1"),
        ({"resources": {"decode": "cuda", "device": "cpu"}}, "resources: .* not on cpu"),
        ({"validation": {"gallery": ("absent",)}}, ".*absent: there is no such shard or folder"),
    ],
)
def test_errors_of_the_users_are_told_with_their_section(
    sections: dict[str, Any], told: str, people: str, tmp_path: Path
) -> None:
    with pytest.raises(WebbodyError, match=f"^{told}"):
        go(settings(people, tmp_path / "run", **sections))


def test_a_folder_that_cannot_be_made_is_told(people: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WebbodyError, match=r"file.run: no folder for the run"):
        go(settings(people, tmp_path / "file" / "run"))


def test_mistakes_of_the_program_show_themselves(
    people: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(trainer: Trainer, step: Any, samples: Any) -> Any:
        return replace(step, mistake=True)

    monkeypatch.setattr(Trainer, "step", mistaken)
    with pytest.raises(TypeError, match="mistake"):
        go(settings(people, tmp_path / "run"))

    def misshapen(trainer: Trainer, step: Any, samples: Any) -> Any:
        return trainer.model(samples.images_BCHW[:, :1], samples.keypoints_BK3)

    monkeypatch.setattr(Trainer, "step", misshapen)
    with pytest.raises(ValueError, match="images must be") as raised:
        go(settings(people, tmp_path / "run"))
    assert not isinstance(raised.value, WebbodyError)


def test_reading_many_shards_is_told_now_and_then(
    people: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "_INTERVAL", 0.0)
    said: list[str] = []
    chosen = settings(people, tmp_path / "run")
    assembly.assemble(chosen, "cpu", said.append)
    assert said == [f"Reading the shards once: {n} of 3, {16 * n} samples." for n in (1, 2, 3)]
    assembly.assemble(chosen, "cpu", said.append)
    assert len(said) == 3  # they are known now
