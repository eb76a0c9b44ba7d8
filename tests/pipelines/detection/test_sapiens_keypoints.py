"""Sapiens pose models as the build's keypoint backend."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.sapiens.prediction import Predictor
from model.sapiens.saved import load, save
from model.sapiens.sizes import SIZES
from model.sapiens.task_model import SapiensModel
from model.sapiens.vocabulary import keypoint_vocabulary
from pipelines.detection.from_settings import keypoint_detector
from pipelines.detection.to_sapiensid19 import to_sapiensid19
from webbody.config import WORKER, KeypointsSettings
from webbody.errors import WebbodyError


def saved(folder: Path, outputs: int = 133, task: str = "pose") -> str:
    torch.manual_seed(0)
    model = SapiensModel(task, SIZES["mini"], (64, 48), outputs, channels=8)
    torch.nn.init.normal_(model.head.final.weight, std=0.5)
    save(model, folder)
    return str(folder / "model.safetensors")


def crops(count: int = 5) -> tuple[list[np.ndarray], list[tuple[float, ...]]]:
    rng = np.random.default_rng(0)
    sizes = [(40 + 10 * n, 90 - 8 * n) for n in range(count)]
    images = [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in sizes]
    return images, [(3.0, 2.0, w - 4.0, h - 1.0) for h, w in sizes]


@pytest.mark.parametrize("outputs", [17, 133, 308])
def test_points_are_those_of_the_predictor_in_our_order(outputs: int, tmp_path: Path) -> None:
    path = saved(tmp_path, outputs)
    images, boxes = crops()
    found, sure = keypoint_detector(KeypointsSettings(model=path), replace(WORKER, batch=2))(
        images, boxes
    )
    alone = Predictor(load(path))
    poses = [next(alone.poses([i], [np.array([b])]))[0] for i, b in zip(images, boxes, strict=True)]
    expected = np.stack(poses)
    if outputs != 17:
        expected = keypoint_vocabulary(outputs).to_skeleton(expected)
    assert found.shape == (5, 17 if outputs == 17 else 19, 2)
    assert np.allclose(found, expected[..., :2], atol=1e-3)
    assert np.allclose(sure, expected[..., 2].clip(0, 1), atol=1e-5)
    assert sure.max() == 1 and sure.min() >= 0
    points, scores = to_sapiensid19(found[0], sure[0], None, None, 90, 40, 0.3)
    assert points.shape == (19, 3) and scores.shape == (19,)


def test_no_crops_give_no_points(tmp_path: Path) -> None:
    points, sure = keypoint_detector(KeypointsSettings(model=saved(tmp_path)), WORKER)([], [])
    assert points.shape == (0, 19, 2) and sure.shape == (0, 19)


def test_a_model_of_another_task_and_settings_of_another_family_are_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "depth", 1, "depth")
    with pytest.raises(WebbodyError, match="is a Sapiens model for depth, not for pose"):
        keypoint_detector(KeypointsSettings(model=path), WORKER)
    path = saved(tmp_path / "pose")
    with pytest.raises(WebbodyError, match=r"keypoints\.beta: is of SimCC models"):
        keypoint_detector(KeypointsSettings(model=path, beta=1.0), WORKER)
    with pytest.raises(WebbodyError, match=r"keypoints\.input_size: .*multiples of 16"):
        keypoint_detector(KeypointsSettings(model=path, input_size=(50, 64)), WORKER)
    other = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, other)
    with pytest.raises(WebbodyError, match="is no Sapiens checkpoint"):
        keypoint_detector(KeypointsSettings(model=str(other)), WORKER)
