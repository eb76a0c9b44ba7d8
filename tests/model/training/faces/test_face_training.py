"""Training the face embedder: what it takes, what it leaves, and that it goes on exactly."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model import FaceEmbedder
from model.training.faces.augment import FaceAugment
from model.training.faces.face_run import assemble, put_together
from model.training.start import start
from tests.model.training.small_runs import settings as sapiensid_settings
from webbody.demo.pose_scale import write_pose_scale
from webbody.errors import WebbodyError
from webbody.face_config import FaceTrainConfig

SMALL = {"depth": 2, "width": 32, "heads": 2, "output_dim": 16, "drop_path": 0.3}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("faces")
    write_pose_scale(folder, range(8), {"close": 2, "full": 1})
    return str(folder)


def settings(data: str, out: Path, /, **sections: dict[str, Any]) -> dict[str, Any]:
    """12 steps of 4 of 24 samples."""
    chosen: dict[str, dict[str, Any]] = {
        "data": {"sources": (data,)},
        "model": {"preset": "tiny", "arguments": SMALL},
        "optimization": {
            "epochs": 2, "warmup_epochs": 0.5, "batch": 4, "batch_multiple": 2,
            "learning_rate": 1e-3, "sample_rate": 1.0,
        },
        "resources": {"workers": 0, "log_seconds": 1e-3, "checkpoint_steps": 4},
    }  # fmt: skip
    merged = {name: {**chosen.get(name, {}), **sections.get(name, {})} for name in chosen}
    return FaceTrainConfig(out=str(out), **{**sections, **merged}).model_dump()


def go(chosen: dict[str, Any], stop: Any = None) -> list[str]:
    said: list[str] = []
    start(chosen, said.append, lambda progress: None, stop, put_together)
    return said


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return FaceEmbedder.from_pretrained(folder).state_dict()


def test_a_run_leaves_an_embedder_and_goes_on_exactly(people: str, tmp_path: Path) -> None:
    held_out = tmp_path / "held"
    write_pose_scale(held_out, range(100, 104), {"close": 2})
    more = {"validation": {"gallery": (str(held_out),), "steps": 6}}
    said = go(settings(people, tmp_path / "whole", **more))
    assert any("of 8 people" in text for text in said)
    assert any(text.startswith("Validation") for text in said)
    about = json.loads((tmp_path / "whole" / "model" / "model.json").read_text())
    assert about["family"] == "kprpe-vit" and about["arguments"]["output_dim"] == 16
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "model")
    for later in sorted((tmp_path / "cut" / "checkpoints").iterdir())[1:]:
        shutil.rmtree(later)
    go(settings(people, tmp_path / "cut", **more))
    one, other = (weights(tmp_path / name / "model") for name in ("whole", "cut"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_samples_without_a_face_are_left_out_and_counted(people: str, tmp_path: Path) -> None:
    said: list[str] = []
    chosen = settings(people, tmp_path / "run", data={"min_face": 60})
    parts = assemble(chosen, "cpu", said.append)
    assert 0 < len(parts.table) < 24  # the faces of full bodies are smaller
    assert f"{len(parts.table)} of 24 samples have a face" in said[-1]
    assert parts.table.classes == len(np.unique(parts.table.label))


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"data": {"min_face": 1000}}, "all of the 24 faces are smaller than 1000 px"),
        ({"model": {"arguments": {"wings": 2}}}, "model.arguments: .*wings"),
        ({"model": {"arguments": {"depth": 0}}}, "model.arguments: .*depth must be at least 1"),
        ({"model": {"arguments": {"heads": 0}}}, "model.arguments: .*by 0 heads"),
        ({"optimization": {"batch": 1}}, "optimization: batches of 1"),
        ({"augmentation": {"resolution": 0.5, "crop": 0.3}, "data": {"weights": (1.0, 2.0)}},
         "data: 1 data sets need as many weights"),
    ],
)  # fmt: skip
def test_errors_are_told(sections: Any, told: str, people: str, tmp_path: Path) -> None:
    with pytest.raises(WebbodyError, match=told):
        go(settings(people, tmp_path / "run", **sections))


def test_data_without_landmarks_are_told(tmp_path: Path) -> None:
    from tests.model.training.small_runs import write_people

    data = write_people(tmp_path / "data", shards=1, per_shard=2)  # no sample has five landmarks
    with pytest.raises(WebbodyError, match="none of the 2 samples has all five landmarks"):
        go(settings(data, tmp_path / "run"))


def test_a_run_of_another_model_is_refused(people: str, tmp_path: Path) -> None:
    go(settings(people, tmp_path / "run"))
    shutil.rmtree(tmp_path / "run" / "model")
    with pytest.raises(WebbodyError, match="is of another model"):
        start(sapiensid_settings(people, tmp_path / "run"), lambda text: None, lambda p: None)


def test_without_changes_a_face_is_only_aligned() -> None:
    from model.faces.alignment import aligned, landmarks_of

    images = torch.rand(2, 3, 96, 96) * 2 - 2
    points = torch.rand(2, 19, 3) * 0.5 + 0.2
    points[..., 2] = 1
    seeds = torch.arange(2)
    none = FaceAugment(flip=0, jitter=0, crop=0, colour=0, low_resolution=0)
    faces, marks = none(images, points, seeds)
    plain, at = aligned(images, landmarks_of(points)[0])
    torch.testing.assert_close(faces, plain)
    torch.testing.assert_close(marks, at)
    changed = FaceAugment()
    first, again = (changed(images, points, seeds)[0] for _ in range(2))
    assert torch.equal(first, again) and (first - plain).abs().max() > 0.01
    # a face depends on its own seed alone
    torch.testing.assert_close(changed(images[1:], points[1:], seeds[1:])[0], first[1:])


@pytest.mark.parametrize("field", ["flip", "crop", "resolution"])
def test_impossible_changes_are_told(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        FaceAugment(**{field: 1.5})
