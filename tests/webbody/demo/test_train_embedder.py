from pathlib import Path

import numpy as np
import pytest
import torch

from webbody.geometry import similarities, transformed

pytest.importorskip("cv2")

from model import FaceEmbedder
from webbody.demo.train_models import embedder
from webbody.demo.train_models.face_crops import (
    MIRRORED,
    TEMPLATE,
    align,
    draw_faces,
    imperfect_crop,
)
from webbody.demo.train_models.verification import verification_figures


def test_training_learns_and_writes_what_the_model_reads(tmp_path: Path) -> None:
    crops = draw_faces(range(8), pictures=4, seed=0)
    plan = embedder.EmbedderTraining(
        people=8, pictures=4, epochs=6, depth=1, width=16, heads=2, batch=16, learning_rate=3e-3
    )
    said: list[str] = []
    losses = embedder.fit(crops, plan, tmp_path / "embedder.pt", said.append)
    assert losses[-1] < losses[0] - 0.2
    assert len(said) == plan.epochs
    model = FaceEmbedder.from_pretrained(tmp_path / "embedder.pt")
    sample = imperfect_crop(crops, 0, np.random.default_rng(0))
    with torch.inference_mode():
        assert model(*embedder.to_input([sample, sample])).shape == (2, 512)
    assert [path.name for path in tmp_path.iterdir()] == ["embedder.pt"]


def test_measured_people_are_told_apart_or_not(tmp_path: Path) -> None:
    path = tmp_path / "embedder.pt"
    embedder.save(FaceEmbedder(1, 16, 2, output_dim=8), path)
    figures = embedder.measure(path, people=3, pictures=2)
    assert set(figures) == {"truth", "jitter", "small"}
    assert all(0 <= figures["truth"][name] <= 1 for name in ("auc", "eer", "top1"))


def test_alignment_is_insightfaces() -> None:
    face_align = pytest.importorskip("insightface.utils.face_align")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (90, 120, 3), np.uint8)
    landmarks = TEMPLATE * 0.7 + (20, 5) + rng.normal(0, 3, (5, 2))
    np.testing.assert_allclose(
        similarities(landmarks[None], TEMPLATE)[0], face_align.estimate_norm(landmarks), atol=1e-3
    )
    crop, inside = align(image, landmarks)
    expected = face_align.norm_crop(image, landmarks).astype(int)
    assert np.abs(crop - expected).max() <= 1
    np.testing.assert_allclose(
        inside * 112,
        transformed(landmarks[None], similarities(landmarks[None], TEMPLATE))[0],
        atol=1e-9,
    )


def test_a_mirrored_crop_keeps_its_landmarks_on_the_face() -> None:
    crops = draw_faces([3], pictures=1, seed=0)
    plain, straight = imperfect_crop(
        crops, 0, np.random.default_rng(0), jitter=(0, 0), degraded=0, mirrored=0
    )
    mirror, flipped = imperfect_crop(
        crops, 0, np.random.default_rng(0), jitter=(0, 0), degraded=0, mirrored=1
    )
    assert np.array_equal(mirror, plain[:, ::-1])
    np.testing.assert_allclose(flipped[:, 0], 111 / 112 - straight[MIRRORED, 0])
    assert flipped[0, 0] < flipped[1, 0]  # still the image-left eye first


def test_faces_depend_on_the_seed_alone() -> None:
    one, again, other = (draw_faces([5, 6], 1, seed) for seed in (0, 0, 1))
    assert np.array_equal(one.images, again.images)
    assert not np.array_equal(one.images, other.images)
    assert one.persons.tolist() == [0, 1]


def test_verification_figures_of_known_features() -> None:
    persons = np.repeat(np.arange(4), 3)
    perfect = verification_figures(np.eye(4)[persons], persons)
    assert (perfect["auc"], perfect["eer"], perfect["tar@far=1e-3"], perfect["top1"]) == (
        1,
        0,
        1,
        1,
    )
    rng = np.random.default_rng(0)
    chance = verification_figures(rng.normal(size=(400, 64)), np.repeat(np.arange(100), 4))
    assert chance["auc"] == pytest.approx(0.5, abs=0.05)
    assert chance["eer"] == pytest.approx(0.5, abs=0.05)
