"""Runs of the four tasks: learning, killed and resumed, refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from model.sapiens.evaluation import evaluate
from model.sapiens.saved import load
from model.sapiens.training.finetuning import put_together
from model.sapiens.training.task_sources import read_data
from model.training.start import start
from tests.model.sapiens.training.labelled_pictures import write_pose, write_task
from tests.model.sapiens.training.sapiens_runs import finetuning, losses, losses_until_killed
from webbody.errors import WebbodyError


@pytest.mark.parametrize("task", ["pose", "segmentation", "depth", "normal"])
def test_a_task_is_learned_and_its_model_saved(task: str, tmp_path: Path) -> None:
    source = write_task(task, tmp_path / "data")
    optimization = {
        "epochs": 16, "warmup_steps": 2, "batch": 4, "sigma": 1.0, "learning_rate": 2e-3,
    }  # fmt: skip
    still = {"background": 0.0, "scale": [0.9, 1.1], "rotation": 0.0} if task != "pose" else {}
    settings = finetuning(
        task, source, tmp_path / "run", optimization=optimization, augmentation=still
    )
    told = list(losses("finetuning", settings).values())
    assert len(told) == 32
    assert np.mean(told[-8:]) < np.mean(told[:8])
    model = load(tmp_path / "run" / "model", task)
    assert model.task.name == task and model.encoder.image_size == (64, 48)
    with pytest.raises(WebbodyError, match=f"is a Sapiens model for {task}, not for"):
        load(tmp_path / "run" / "model", "pose" if task != "pose" else "depth")


def test_a_killed_run_goes_on_exactly(tmp_path: Path) -> None:
    """Also where a head drops out channels."""
    source = write_task("normal", tmp_path / "data")
    whole = losses("finetuning", finetuning("normal", source, tmp_path / "whole"))
    settings = finetuning("normal", source, tmp_path / "killed")
    told = losses_until_killed("finetuning", settings, 5)
    told |= losses("finetuning", settings)
    assert told == whole
    weights = [load(tmp_path / name / "model").state_dict() for name in ("whole", "killed")]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_what_cannot_be_trained_is_refused_before_it_begins(tmp_path: Path) -> None:
    source = write_pose(tmp_path / "data")

    def refused(match: str, **changes) -> None:
        settings = finetuning("pose", source, tmp_path / "run", **changes)
        with pytest.raises(WebbodyError, match=match):
            start(settings, lambda text: None, lambda progress: None, parts_of=put_together)

    size = {"size": "mini", "image_size": [64, 48]}
    refused("has 51 numbers for keypoints|has no|133", model={**size, "outputs": 133})
    refused("a model for pose has 17, 133, 308 outputs, not 18", model={**size, "outputs": 18})
    refused("multiples of 16", model={**size, "image_size": [60, 48]})
    refused("sigma: a Gaussian of 6 pixels does not suit heatmaps 12", optimization={"sigma": 6})
    refused("augmentation: .*unexpected keyword argument 'shear'", augmentation={"shear": 1})
    refused("no weights|no model|nowhere", model={**size, "start": str(tmp_path / "nowhere")})
    refused("1 folders of images do not belong to 2", data={
        "sources": [source, source], "images": [str(tmp_path)],
    })  # fmt: skip


def test_the_best_model_on_held_out_pictures_is_kept(tmp_path: Path) -> None:
    source = write_task("segmentation", tmp_path / "data")
    held_out = write_task("segmentation", tmp_path / "held-out")
    settings = finetuning(
        "segmentation",
        source,
        tmp_path / "run",
        validation={"sources": [held_out], "steps": 4, "batch": 3},
    )
    losses("finetuning", settings)
    lines = (tmp_path / "run" / "validation.jsonl").read_text().splitlines()
    scores = [json.loads(line) for line in lines]
    assert [score["done"] for score in scores] == [0, 4, 8]
    assert all(score["metric"] == "mIoU" and 0 <= score["value"] <= 100 for score in scores)
    best = json.loads((tmp_path / "run" / "best" / "score.json").read_text())
    assert best["value"] == max(score["value"] for score in scores[1:])
    model = load(tmp_path / "run" / "best", "segmentation")
    found = evaluate(model, read_data("segmentation", [held_out], 28)[0])
    assert found.main.value == pytest.approx(best["value"])
