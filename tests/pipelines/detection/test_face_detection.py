"""Tiling, with a hand-made detector in insightface's format whose faces are magenta squares."""

import numpy as np
import pytest
import torch
from magenta_detector import SIDE, Magenta, export, picture

from pipelines.detection.face_detection import FaceDetector
from webbody.errors import WebbodyError


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> FaceDetector:
    path = export(tmp_path_factory.mktemp("models") / "magenta.onnx")
    return FaceDetector(path, 320, 0.3, "cpu", 1)


def test_faces_of_many_pictures_come_back_in_their_own_pixels(detector):
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(23):
        width, height = rng.integers(90, 150, 2)
        # As large on the canvas as the detector expects: a tile of 160 px, 8 of them a margin.
        side = round(SIDE * max(width, height) / 152)
        x, y = rng.integers(side, width - side), rng.integers(side, height - side)
        cases.append((picture(width, height, (x, y), side), (x, y)))
    found = detector([image for image, _ in cases])
    for (_, place), faces in zip(cases, found, strict=True):
        assert len(faces.boxes)  # its neighbouring cells may see it too
        centre = faces.boxes.reshape(-1, 2, 2).mean(1)[0]
        np.testing.assert_allclose(centre, place, atol=8)
        np.testing.assert_allclose(faces.landmarks[0, 2], centre, atol=0.5)
        assert faces.landmarks[0, 0, 0] < faces.landmarks[0, 1, 0]


def test_a_face_at_a_tiles_edge_is_not_its_neighbours(detector):
    # Left picture: a face cut by the right border; right picture: nothing at all.
    pictures = [picture(152, 152, (148, 70)), picture(152, 152, None), picture(152, 152, None)]
    found = detector(pictures)
    assert [len(faces.boxes) for faces in found][1:] == [0, 0]


def test_tiles_equal_pictures_run_alone(detector):
    rng = np.random.default_rng(1)
    pictures = [
        picture(*rng.integers(60, 400, 2), tuple(rng.integers(20, 60, 2))) for _ in range(15)
    ]
    for image, together in zip(pictures, detector(pictures), strict=True):
        alone = detector([image])[0]
        np.testing.assert_allclose(together.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(together.scores, alone.scores, atol=1e-4)
        np.testing.assert_allclose(together.landmarks, alone.landmarks, atol=1e-3)


def test_one_run_looks_at_several_pictures(detector, monkeypatch):
    runs = []
    detect = detector.library.detect
    monkeypatch.setattr(detector.library, "detect", lambda canvas: runs.append(1) or detect(canvas))
    detector([picture(100, 120, (40, 40)) for _ in range(9)])
    assert len(runs) == 3


def test_small_heads_and_whole_crops_get_tiles_that_suit_them(tmp_path, detector):
    assert detector.divisions(60, 70, large=True) == 2  # 160 px: a quarter would be too little
    assert detector.divisions(900, 700, large=False) == 2  # a head fills half the canvas
    assert detector.divisions(900, 700, large=True) == 1
    big = FaceDetector(export(tmp_path / "magenta.onnx"), 640, 0.3, "cpu", 1)
    assert big.divisions(120, 150, large=False) == 4
    assert big.divisions(300, 250, large=True) == 2


def test_a_file_with_a_fixed_input_keeps_its_size(tmp_path):
    fixed = FaceDetector(export(tmp_path / "fixed.onnx", 160), 640, 0.3, "cpu", 1)
    assert fixed.canvas == (160, 160)
    faces = fixed([picture(160, 160, (80, 88))])[0]
    np.testing.assert_allclose(faces.boxes[0], [68, 76, 92, 100], atol=1)


def test_a_model_without_landmarks_is_told(tmp_path):
    class Boxes(Magenta):
        def forward(self, image):
            return super().forward(image)[:6]

    path = str(tmp_path / "boxes.onnx")
    torch.onnx.export(
        Boxes(), (torch.zeros(1, 3, 64, 64),), path, input_names=["x"],
        opset_version=12, dynamo=False,
    )  # fmt: skip
    with pytest.raises(WebbodyError, match="five landmarks"):
        FaceDetector(path, 320, 0.3, "cpu", 1)
