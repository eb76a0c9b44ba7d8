"""`webbody sapiens evaluate` on small labelled folders."""

import json

import numpy as np
import pytest
import torch

from model.sapiens.data.opening import labelled_data
from model.sapiens.evaluation import evaluate
from model.sapiens.saved import load, save
from model.sapiens.sizes import SIZES
from model.sapiens.task_model import SapiensModel
from tests.command_line import one_sentence, run
from tests.model.sapiens.data.labelled_folders import (
    HEIGHT,
    WIDTH,
    annotation,
    coco,
    depth_map,
    normal_map,
    picture,
    pose_folder,
    surface_folder,
)
from tests.model.sapiens.data.labelled_folders import save as save_picture

OUTPUTS = {"pose": 17, "segmentation": 28, "depth": 1, "normal": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluated")
    torch.manual_seed(0)
    for task, outputs in [*OUTPUTS.items(), ("pose", 133), ("segmentation", 20)]:
        model = SapiensModel(task, SIZES["mini"], (64, 48), outputs, channels=8)
        torch.nn.init.normal_(model.head.final.weight, std=0.5)
        save(model, root / f"{task}{outputs}")
    pose_folder(root / "pose", coco([annotation(1, 1), annotation(2, 2)]))
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[5:20, 5:20] = 3
    save_picture(root / "segmentation/images/one.png", picture())
    save_picture(root / "segmentation/masks/one.png", label)
    surface_folder(root / "depth", "depth", depth_map())
    surface_folder(root / "normal", "normals", normal_map())
    return root


def data_of(folder, task):
    return folder / "pose/people.json" if task == "pose" else folder / task


@pytest.mark.parametrize("task", OUTPUTS)
def test_figures_stand_beside_baselines_and_the_paper(folder, tmp_path, task):
    model = folder / f"{task}{OUTPUTS[task]}"
    code, out, error = run(
        "sapiens", "evaluate", data_of(folder, task), "--model", model, "--task", task,
        "--baselines", "--json", tmp_path / "f.json", "--device", "cpu", "--flip",
    )  # fmt: skip
    assert code == 0, error
    for words in ("ours", "mean predictor", "untrained", "Sapiens-0.3B", "Sapiens-2B"):
        assert words in out
    written = json.loads((tmp_path / "f.json").read_text())
    data = labelled_data(task, OUTPUTS[task], data_of(folder, task))
    expected = evaluate(load(model), data, flip=True)
    assert written["main"] == expected.main.name and written["task"] == task
    value = written["figures"]["ours"][expected.main.name]
    assert value == pytest.approx(expected.main.value, rel=1e-3, abs=1e-3)
    assert set(written["figures"]) == {"ours", "mean predictor", "untrained"}
    digits = {"depth": 4, "normal": 2}.get(task, 1)
    shown = f"{expected.main.value:.{digits}f}"
    assert f"{expected.main.name} {shown}" in out
    if task == "normal":  # all normals of the data are one
        assert written["figures"]["mean predictor"]["mean"] == pytest.approx(0, abs=0.05)


def test_what_is_not_defined_is_null(folder, tmp_path):
    code, out, _ = run(
        "sapiens", "evaluate", folder / "segmentation", "--model", folder / "segmentation28",
        "--json", tmp_path / "f.json", "--device", "cpu", "--most", 1,
    )  # fmt: skip
    assert code == 0 and "nan" not in out
    figures = json.loads((tmp_path / "f.json").read_text())["figures"]["ours"]
    assert None in figures.values() and "IoU Hair" in figures


def test_other_boxes_and_fewer_keypoints(folder, tmp_path):
    boxes = tmp_path / "d.json"
    boxes.write_text(json.dumps([{"image_id": 1, "bbox": [2, 2, 30, 25], "score": 0.8}]))
    data = folder / "pose/people.json"
    code, out, error = run(
        "sapiens", "evaluate", data, "--model", folder / "pose133", "--keypoints", 17,
        "--detections", boxes, "--device", "cpu",
    )  # fmt: skip
    assert code == 0, error
    assert "2 pictures, 2 labelled persons, 1 prediction" in out and "COCO val" in out
    assert "WholeBody" not in out


def test_errors_are_told(folder, tmp_path):
    pose, data = folder / "pose17", folder / "pose/people.json"
    cases = [
        ((data, "--model", folder / "none"), "no such model"),
        ((data,), "--model"),
        ((tmp_path / "none", "--model", pose), "no such file"),
        ((folder / "pose", "--model", pose), "is a folder"),
        ((data, "--model", folder / "depth1"), "is no folder"),
        ((folder / "depth", "--model", folder / "normal3"), "normals"),
        ((data, "--model", pose, "--task", "normal"), "not for normal"),
        ((data, "--model", folder / "pose133"), "133 points"),
        ((data, "--model", pose, "--keypoints", 5), "no vocabulary of 5"),
        ((folder / "depth", "--model", folder / "depth1", "--images", tmp_path), "are for pose"),
        ((data, "--model", pose, "--images", tmp_path), "is missing"),
        ((data, "--model", pose, "--detections", data.parent / "images/1.png"), "no JSON"),
        ((data, "--model", pose, "--json", tmp_path / "no/f.json"), "make it first"),
        ((data, "--model", pose, "--size", "7x7"), "multiples of 16"),
    ]
    for arguments, words in cases:
        code, out, error = run("sapiens", "evaluate", *arguments, "--device", "cpu")
        assert code == 2, (arguments, error)
        assert one_sentence(error.splitlines()[-1]), error
        assert words in error, (arguments, error)
        assert out == ""


def test_what_nothing_counts_in_is_told(folder, tmp_path):
    far = surface_folder(tmp_path / "flat", "depth", np.zeros((HEIGHT, WIDTH), np.float32))
    code, out, error = run(
        "sapiens", "evaluate", far, "--model", folder / "depth1", "--device", "cpu"
    )
    assert code == 1 and "RMSE is not defined" in error and "nan" not in out
    other = tmp_path / "d.json"
    other.write_text(json.dumps([{"image_id": 77, "bbox": [2, 2, 30, 25]}]))
    code, _, error = run(
        "sapiens", "evaluate", folder / "pose/people.json", "--model", folder / "pose17",
        "--detections", other, "--device", "cpu",
    )  # fmt: skip
    assert code == 2 and "No detection is of a picture" in error
