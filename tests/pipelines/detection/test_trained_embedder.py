"""A face embedder of ours in a build: aligned as it was trained, taken from its run's folder."""

import json

import numpy as np
import pytest
import torch

from model import FaceEmbedder
from model.faces.alignment import aligned, landmarks_of
from model.faces.features import FaceFeatures
from pipelines.detection.embedding import Embedder, align, alignments, transformed_landmarks
from webbody import models
from webbody.demo.pose_scale import picture
from webbody.errors import WebbodyError
from webbody.model_table import FACE_EMBEDDER
from webbody.skeleton import FACE5

SMALL = {"depth": 1, "width": 32, "heads": 2, "output_dim": 16}


@pytest.fixture(scope="module")
def faces():
    """Close-ups (N, 384, 384, 3) of drawn people, and keypoints (N, 19, 3) in their pixels."""
    drawn = [picture(person, "close", 0) for person in range(4)]
    return np.stack([rgb for rgb, _ in drawn]), np.stack([points for _, points in drawn])


def test_training_aligns_faces_as_builds_do(faces) -> None:
    pictures, points = faces
    marks = points[:, FACE5, :2].astype(np.float32)
    transforms = alignments(marks)
    by_build = np.stack([align(*pair) for pair in zip(pictures, transforms, strict=True)])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 2
    fractions = torch.from_numpy(points).float() / torch.tensor([384, 384, 1])
    found, at = aligned(images, landmarks_of(fractions)[0])
    by_training = ((found + 2) * 127.5).permute(0, 2, 3, 1).numpy()
    # cv2 samples at steps of 1/32 of a pixel: a few values beside edges differ
    assert np.abs(by_training - by_build).mean() < 1
    np.testing.assert_allclose(at, transformed_landmarks(marks, transforms), atol=1e-4)


def test_a_build_takes_the_folder_of_a_run(faces, tmp_path) -> None:
    torch.manual_seed(0)
    model = FaceEmbedder(**SMALL).eval()
    model.save_pretrained(tmp_path / "model")
    embedder = Embedder(str(tmp_path / "model"), "cpu", 2, 1)
    pictures, points = faces
    marks = points[:, FACE5, :2].astype(np.float32)
    transforms = alignments(marks)
    crops = np.stack([align(*pair) for pair in zip(pictures, transforms, strict=True)])
    features = embedder(list(crops), transformed_landmarks(marks, transforms))
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    fractions = torch.from_numpy(points).float() / torch.tensor([384, 384, 1])
    with torch.inference_mode():
        others = FaceFeatures(model)(images, fractions).numpy()
    cosines = (features * others).sum(1) / np.linalg.norm(features, axis=1)
    assert (cosines / np.linalg.norm(others, axis=1) > 0.995).all()


def test_other_models_are_told_apart(tmp_path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"depth": 4}))
    with pytest.raises(WebbodyError, match="not a face embedder"):
        models.resolve(str(tmp_path), FACE_EMBEDDER)


def test_a_sample_without_a_face_has_no_feature(faces) -> None:
    pictures, points = faces
    points = points.copy()
    points[1, 3, 2] = 0  # a mouth corner that is hidden
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    fractions = torch.from_numpy(points).float() / torch.tensor([384, 384, 1])
    model = FaceFeatures(FaceEmbedder(**SMALL).eval())
    with torch.inference_mode():
        features = model(images, fractions)
    assert features[1].isnan().all() and features[[0, 2, 3]].isfinite().all()
