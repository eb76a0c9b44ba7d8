"""Alignment against insightface's, and batches of features against single ones."""

import numpy as np
import pytest
import torch
from photo_shards import demo_model, photos, rgb
from tiny_onnx import write_region_means

from pipelines.detection.embedding import (
    Embedder,
    align,
    alignments,
    transformed_landmarks,
)
from webbody import model_contracts as contracts
from webbody.errors import WebbodyError
from webbody.geometry import FACE_SIDE, FACE_TEMPLATE


@pytest.fixture(scope="module")
def crops():
    """Aligned faces of drawn people and their landmarks."""
    pictures = photos(8, seed=3)
    faces = [(rgb(p), f.face) for p in pictures for f in p.figures if f.face is not None]
    landmarks = np.array([face.landmarks for _, face in faces], np.float32)
    transforms = alignments(landmarks)
    aligned = [align(image, t) for (image, _), t in zip(faces, transforms, strict=True)]
    return aligned, transformed_landmarks(landmarks, transforms)


def test_alignment_is_insightfaces():
    from insightface.utils import face_align

    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (300, 300, 3), np.uint8)
    landmarks = (FACE_TEMPLATE * 1.7 + 40 + rng.normal(0, 5, (4, 5, 2))).astype(np.float32)
    for points, transform in zip(landmarks, alignments(landmarks), strict=True):
        np.testing.assert_allclose(transform, face_align.estimate_norm(points), atol=1e-4)
        theirs = face_align.norm_crop(image, points).astype(int)
        # OpenCV rounds transforms, which shows in noise.
        assert np.abs(align(image, transform).astype(int) - theirs).mean() < 0.1


def test_landmarks_move_with_the_picture():
    landmarks = (FACE_TEMPLATE * 2 + 7)[None].astype(np.float32)
    np.testing.assert_allclose(
        transformed_landmarks(landmarks, alignments(landmarks))[0] * FACE_SIDE,
        FACE_TEMPLATE,
        atol=1e-3,
    )


def test_landmarks_in_one_point_do_no_harm():
    assert np.isfinite(alignments(np.full((1, 5, 2), 3, np.float32))).all()


def test_a_batch_gives_the_features_of_single_faces(crops):
    aligned, landmarks = crops
    embedder = Embedder(demo_model("embedder.pt"), "cpu", batch=4, threads=1)
    together = embedder(aligned, landmarks)
    assert together.shape == (len(aligned), 512) and together.dtype == np.float32
    for index, face in enumerate(aligned):
        alone = embedder([face], landmarks[index : index + 1])[0]
        np.testing.assert_allclose(together[index], alone, rtol=1e-3, atol=1e-3)
    assert embedder([], np.zeros((0, 5, 2), np.float32)).shape == (0, 512)


@pytest.mark.parametrize("batch", ["free", "one"])
def test_arcface_onnx(tmp_path, crops, batch):
    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = torch.nn.Sequential(
                torch.nn.AvgPool2d(16), torch.nn.Flatten(), torch.nn.Linear(147, 512)
            )

        def forward(self, x):
            return self.features(x)

    torch.manual_seed(0)
    network, path = Network().eval(), tmp_path / "arcface.onnx"
    axes = {"input.1": {0: "batch"}, "out": {0: "batch"}} if batch == "free" else {}
    torch.onnx.export(
        network, (torch.zeros(1, 3, 112, 112),), str(path), input_names=["input.1"],
        output_names=["out"], dynamic_axes=axes, opset_version=12, dynamo=False,
    )  # fmt: skip
    aligned, landmarks = crops
    features = Embedder(str(path), "cpu", batch=3, threads=1)(aligned, landmarks)
    pixels = torch.from_numpy(np.stack(aligned)).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(features, network(pixels).detach().numpy(), atol=1e-3)


def test_wrong_files_are_told(tmp_path):
    for name in ("faces.onnx", "persons.pt"):
        with pytest.raises(WebbodyError, match=name):
            Embedder(demo_model(name), "cpu", batch=4, threads=1)


def test_an_embedder_of_any_width_says_how_wide_it_is(tmp_path):
    path = write_region_means(tmp_path / "narrow.onnx", (FACE_SIDE, FACE_SIDE), (2, 4))
    embedder = Embedder(str(path), "cpu", batch=4, threads=1)
    assert embedder.width == 24
    assert embedder([], np.zeros((0, 5, 2), np.float32)).shape == (0, 24)
    marks = np.zeros((5, 5, 2), np.float32)
    assert embedder([np.zeros((FACE_SIDE, FACE_SIDE, 3), np.uint8)] * 5, marks).shape == (5, 24)


def test_the_network_of_an_arcface_file_gets_red_first(tmp_path):
    # The first feature is the mean of the first channel, in (value - 127.5) / 127.5.
    path = write_region_means(tmp_path / "means.onnx", (FACE_SIDE, FACE_SIDE), (1, 1))
    red = np.zeros((FACE_SIDE, FACE_SIDE, 3), np.uint8)
    red[..., 0] = 255
    marks = np.zeros((1, 5, 2), np.float32)
    found = Embedder(str(path), "cpu", batch=4, threads=1)([red], marks)[0]
    np.testing.assert_allclose(found, [1, -1, -1], atol=1e-5)
    assert contracts.ARCFACE.colours == "RGB"
