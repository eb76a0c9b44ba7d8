"""Training of the demo's models, at minuscule size, and reading them back through the libraries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from webbody.demo.drawing.scene import DrawnPerson, Face, Photo
from webbody.demo.train_models import card, face_scenes, faces, keypoints, lane, measure, persons
from webbody.demo.train_models.dataset import held_out_photo, is_person, photo_rng, training_photo
from webbody.demo.train_models.engines import insightface, rtmpose, yolo
from webbody.demo.train_models.face_network import TinyFaceNetwork, anchor_points
from webbody.demo.train_models.face_network import export as export_faces
from webbody.demo.train_models.face_scenes import View
from webbody.demo.train_models.keypoint_network import KeypointNetwork
from webbody.demo.train_models.keypoint_network import export as export_keypoints
from webbody.demo.train_models.tally import DetectionTally
from webbody.geometry import overlaps
from webbody.skeleton import COCO17, WHOLEBODY133


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in training: two threads would wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def quiet(text: str) -> None:
    """A log that nobody reads."""


def figure(box: tuple[float, float, float, float], visible: float = 0.5) -> DrawnPerson:
    points = np.stack([np.linspace(box[0], box[2], 19), np.linspace(box[1], box[3], 19)], 1)
    flags = np.arange(19) % 3
    corners = np.array(box, float)
    return DrawnPerson(
        1, corners, corners, visible, np.column_stack([points, flags]), None, head=40.0, yaw=0.0
    )


def photo(*figures: DrawnPerson, size: tuple[int, int] = (200, 400)) -> Photo:
    width, height = size
    return Photo(
        np.zeros((height, width, 3), np.uint8),
        list(figures),
        np.zeros((height, width), np.uint16),
        np.zeros((height, width), np.uint8),
    )


def test_photos_depend_on_their_number_alone() -> None:
    images = [training_photo(photo_rng("test", "train", 3)).image for _ in range(2)]
    assert np.array_equal(*images)
    assert not np.array_equal(
        held_out_photo("default", 0).image, held_out_photo("default", 1).image
    )


def test_person_labels_are_fractions_and_absent_points_zero() -> None:
    shown, hidden = figure((20, 40, 120, 240)), figure((20, 40, 120, 240), visible=0.02)
    lines = persons.labels(photo(shown, hidden)).splitlines()
    assert len(lines) == 1
    numbers = [float(number) for number in lines[0].split()]
    assert numbers[:5] == pytest.approx([0, 0.35, 0.35, 0.5, 0.5])
    points = np.array(numbers[5:]).reshape(17, 3)
    flags = shown.keypoints[COCO17, 2]
    assert np.array_equal(points[:, 2], flags)
    assert not points[flags == 0].any()
    expected = shown.keypoints[COCO17, :2] / (200, 400)
    assert points[flags > 0, :2] == pytest.approx(expected[flags > 0], abs=1e-5)


def test_persons_train_and_load(tmp_path: Path) -> None:
    persons.write_photos(tmp_path, "train", 4)
    persons.write_photos(tmp_path, "val", 2)
    weights = persons.fit(tmp_path, epochs=1, batch=4, image_size=64)
    assert weights.stat().st_size < 3e6
    boxes, points = yolo(weights, confidence=0.0001)(held_out_photo("default", 0).image)
    assert boxes.shape[1:] == (4,)
    assert points.shape == (len(boxes), 19, 3)


@pytest.mark.parametrize(
    ("box", "stride"),
    [((30, 30, 41, 44), 8), ((100, 90, 190, 200), 16), ((40, 20, 250, 300), 32)],
)
def test_face_targets_decode_to_the_face(box: tuple[int, int, int, int], stride: int) -> None:
    corners = np.array([box], np.float32)
    marks = corners[:, None, :2] + np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    view = View(np.zeros((320, 320, 3), np.uint8), corners, marks, np.ones(1, np.float32))
    anchors = anchor_points(320)
    labels, distances, offsets = faces.assign(view, anchors)
    positive = labels == 1
    assert positive.sum() >= 2  # both anchors of a cell
    assert (anchors[positive, 2] == stride).all()
    points = anchors[positive, :2]
    # insightface's decoding: distances and offsets times the stride, from the anchor's point
    low, high = distances[positive].split(2, 1)
    decoded = torch.cat([points - low * stride, points + high * stride], 1)
    assert decoded.numpy() == pytest.approx(corners.repeat(len(points), 0), abs=1e-3)
    decoded = offsets[positive].reshape(-1, 5, 2) * stride + points[:, None]
    assert decoded.numpy() == pytest.approx(marks.repeat(len(points), 0), abs=1e-3)


def test_faces_that_are_not_searched_are_ignored() -> None:
    boxes = np.array([[100, 100, 160, 160]], np.float32)
    view = View(
        np.zeros((320, 320, 3), np.uint8), boxes, np.zeros((1, 5, 2), np.float32), np.full(1, 0.2)
    )
    labels, _, _ = faces.assign(view, anchor_points(320))
    assert not (labels == 1).any()
    assert (labels == -1).any()


def test_face_views_keep_their_faces_in_place() -> None:
    """The same pixel stays under a landmark through crop, fit, tiling and mirroring."""
    image = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(image, (150, 90), 6, (255, 255, 255), -1)
    marks = np.tile(np.array([[150, 90]], np.float32), (5, 1))[None]
    box = np.array([[130, 70, 170, 110]], np.float32)
    view = View(image, box, marks, np.ones(1, np.float32))
    rng = np.random.default_rng(0)
    cropped = face_scenes.crop(view, np.array([100, 40, 250, 160]))
    whole = View(np.zeros_like(image), box[:0], marks[:0], np.ones(0, np.float32))
    placed = face_scenes.place([whole, cropped, whole], rng)
    moved = face_scenes.move(placed, rng)
    for current in (cropped, placed, moved, face_scenes.mirror(placed)):
        x, y = np.round(current.landmarks[0, 0]).astype(int)
        assert current.image[y, x].min() > 200
        assert (current.boxes[0, :2] < [x, y]).all()
        assert (current.boxes[0, 2:] > [x, y]).all()
    half = face_scenes.crop(view, np.array([150, 0, 300, 200]))
    assert half.visible == pytest.approx([0.5])


def test_faces_train_export_and_load(tmp_path: Path) -> None:
    photos, bodies = face_scenes.pool(3, quiet)
    network = faces.fit(photos, bodies, steps=20, log=quiet, batch=4)
    path = tmp_path / "faces.onnx"
    export_faces(network, path)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = torch.randn(1, 3, 96, 160)
    outputs = session.run(None, {"input.1": image.numpy()})
    with torch.no_grad():
        scores, boxes, _ = network(image)
    assert np.concatenate(outputs[:3])[:, 0] == pytest.approx(scores[0].sigmoid().numpy(), abs=1e-4)
    assert np.concatenate(outputs[3:6]) == pytest.approx(boxes[0].numpy(), abs=1e-3)
    found, landmarks = insightface(path, confidence=0.0001)(photos[0].image)
    assert len(found)
    assert landmarks.shape == (len(found), 5, 2)


def test_insightface_finds_what_the_network_says(tmp_path: Path) -> None:
    """One anchor is made to fire: insightface must place its box where `anchor_points` says."""
    network = TinyFaceNetwork().eval()
    export_faces(network, tmp_path / "faces.onnx")
    found, _ = insightface(tmp_path / "faces.onnx", confidence=0.0)(
        np.zeros((320, 320, 3), np.uint8)
    )
    with torch.no_grad():
        blank = faces.images([View(np.zeros((320, 320, 3), np.uint8), *[np.zeros(0)] * 3)])
        logits, distances, _ = network(blank)
    anchors = anchor_points(320)
    points, strides = anchors[:, :2], anchors[:, 2:]
    low, high = distances[0].split(2, 1)
    boxes = torch.cat([points - low * strides, points + high * strides], 1).numpy()
    best = logits[0].argmax()
    assert (np.abs(found - boxes[best]).max(1) < 0.01).any()


def test_keypoint_crops_keep_points_on_their_pixels() -> None:
    person = figure((60, 80, 160, 330))
    person.keypoints[:, 2] = 2
    scene = photo(person, size=(220, 400))
    marked = person.keypoints[9, :2]
    cv2.circle(scene.image, np.round(marked).astype(int).tolist(), 4, (255, 255, 255), -1)
    for seed in range(8):
        image, points = keypoints.crop(scene, person, np.random.default_rng(seed))
        x, y = np.round(points[9, :2]).astype(int)
        assert image[y, x].min() > 200


def test_keypoints_train_export_and_load(tmp_path: Path) -> None:
    images, points = keypoints.crops(6)
    network = keypoints.fit(images, points, steps=20, log=quiet)
    path = tmp_path / "keypoints.onnx"
    export_keypoints(network, path)
    scene = held_out_photo("default", 0)
    boxes = measure.boxes_of([person for person in scene.figures if is_person(person)])
    assert rtmpose(path)(scene.image, boxes).shape == (len(boxes), 19, 3)
    assert rtmpose(path)(scene.image, boxes[:0]).shape == (0, 19, 3)


def test_the_network_gets_rgb(tmp_path: Path) -> None:
    """What the pipeline puts in are the numbers of training."""
    torch.manual_seed(0)
    network = KeypointNetwork().eval()
    export_keypoints(network, tmp_path / "keypoints.onnx")
    scene = photo(size=(192, 256))
    scene.image[:] = np.random.default_rng(0).integers(0, 255, (256, 192, 3), dtype=np.uint8)
    box = np.array([[19.2, 25.6, 172.8, 230.4]])  # what rtmlib enlarges to exactly the image
    found = rtmpose(tmp_path / "keypoints.onnx")(scene.image, box)
    with torch.no_grad():
        x, y = network(keypoints.normalised(scene.image[None, ..., ::-1].copy()))
    position = torch.stack([x[0].argmax(1), y[0].argmax(1)], 1).numpy() / 2
    # The untrained bins are nearly flat, so that rounding may move a peak; most must agree.
    assert (np.abs(found[0, :, :2] - position).max(1) < 0.01).mean() > 0.8


def test_points_that_the_demo_lacks_are_flat(tmp_path: Path) -> None:
    import onnxruntime

    export_keypoints(KeypointNetwork().eval(), tmp_path / "keypoints.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "keypoints.onnx"))
    image = np.random.default_rng(0).normal(size=(2, 3, 256, 192)).astype(np.float32)
    outputs = session.run(None, {"input": image})
    others = np.setdiff1d(np.arange(133), WHOLEBODY133)
    assert [output.shape for output in outputs] == [(2, 133, 384), (2, 133, 512)]
    assert all((np.ptp(output[:, others], -1) == 0).all() for output in outputs)
    assert all((np.ptp(output[:, WHOLEBODY133], -1) > 0).all() for output in outputs)


def test_keypoint_loss_is_least_at_the_truth() -> None:
    """At what RTMPose's own loss would draw a visible point to, and nowhere sure of another."""
    points = torch.tensor([[[30.0, 200.0, 2.0]] * 19])
    x, y = (
        torch.exp(-((torch.arange(bins) - centre) ** 2) / (2 * sigma**2)).repeat(1, 19, 1)
        for bins, centre, sigma in ((384, 60, 4.9), (512, 400, 5.66))
    )
    flat = torch.zeros_like(x), torch.zeros_like(y)
    assert keypoints.loss(x, y, points).item() == pytest.approx(0, abs=1e-5)
    assert keypoints.loss(x.roll(40, -1), y, points) > 1
    assert keypoints.loss(*flat, points) > 1
    outside = points * torch.tensor([1, 1, 0])
    assert keypoints.loss(*flat, outside).item() == pytest.approx(0, abs=1e-5)
    hidden = points - torch.tensor([0, 0, 1])
    assert 0 < keypoints.loss(*flat, hidden) < keypoints.loss(x, y, hidden)


def test_tally_counts() -> None:
    truth = np.array([[0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 60]], float)
    boxes = np.array([[0, 0, 10, 11], [52, 50, 62, 60], [80, 80, 90, 90]], float)
    tally = DetectionTally()
    pairs = tally.add(truth, np.array([True, True, False]), boxes)
    assert pairs == [(0, 0)]
    assert (tally.found, tally.missed, tally.invented) == (1, 1, 1)
    assert tally.figures() == {"recall": 0.5, "precision": 0.5, "wanted": 2}
    assert overlaps(truth[:1], boxes)[0] == pytest.approx([10 / 11, 0, 0])


def test_searched_faces() -> None:
    landmarks = np.zeros((5, 2))
    assert measure.is_searched(Face(np.array([0, 0, 15, 20]), landmarks, 0.6))
    assert not measure.is_searched(Face(np.array([0, 0, 15, 20]), landmarks, 0.4))
    assert not measure.is_searched(Face(np.array([0, 0, 15, 19]), landmarks, 0.6))


def test_head_and_shoulders_stay_inside_the_padded_box() -> None:
    box = np.array([100, 50, 200, 350], float)
    points = np.zeros((19, 3))
    assert measure.head_and_shoulders(box, points).tolist() == [100, 50, 200, 350]
    points[:9] = [150, 80, 0.9]
    points[7:9] = [[120, 120, 0.9], [180, 120, 0.9]]
    x1, y1, x2, y2 = measure.head_and_shoulders(box, points)
    assert 95 <= x1 < 120
    assert 180 < x2 <= 205
    assert 35 <= y1 < 80
    assert 120 <= y2 < 200


def test_figures_and_card(tmp_path: Path) -> None:
    (tmp_path / "persons.pt").write_bytes(b"0" * 2_400_000)
    lane.record(tmp_path, "other", {"a": 1})
    figures = {"default": {"recall": 0.97}, "seconds": 600, "fast": False}
    lane.record(tmp_path, "persons", figures)
    text = card.text({"persons": figures}, tmp_path)
    assert "| persons.pt | 2.4 |" in text
    assert "| persons | default | recall 0.97 |" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "persons.pt"]
