"""Figures of predictors that are right, wrong or constant, and of models, on labelled folders."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from model.sapiens.data.box_file import PersonBoxes
from model.sapiens.data.opening import labelled_data
from model.sapiens.evaluation import (
    evaluate,
    figures_of,
    mean_predictor,
    paper_tables,
    untrained,
)
from model.sapiens.metrics import PartConfusion
from model.sapiens.prediction import Predictor
from model.sapiens.vocabulary import keypoint_vocabulary, part_vocabulary, shared_points
from model.sapiens.vocabulary.keypoints import coco17_in_308
from tests.model.sapiens.data.labelled_folders import annotation, coco, pose_folder
from tests.model.sapiens.prediction.small_models import OUTPUTS, photos, small_model
from webbody.errors import WebbodyError

SIZES = ((60, 50), (40, 80), (64, 48))


def saved(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def masks(shape):
    mask = np.zeros(shape, np.uint8)
    mask[10:30, 8:40] = 1
    return mask


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three pictures of different sizes with labels of each task."""
    root = tmp_path_factory.mktemp("labelled")
    random = np.random.default_rng(3)
    for number, photo in enumerate(photos(*SIZES)):
        shape = photo.shape[:2]
        for task in ("parts", "surface"):
            saved(root / task / "images" / f"{number}.png", photo)
        label = np.zeros(shape, np.uint8)
        label[10:30, 8:40], label[20:25, 10:20], label[0, :] = 22, 3, 255
        saved(root / "parts" / "masks" / f"{number}.png", label)
        saved(root / "surface" / "masks" / f"{number}.png", masks(shape))
        for kind in ("depth", "normals"):
            (root / "surface" / kind).mkdir(exist_ok=True)
        np.savez(root / "surface/depth" / f"{number}.npz", random.uniform(1, 3, shape))
        normals = random.normal((0, 0, 2), 1, (*shape, 3))
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        np.savez(root / "surface/normals" / f"{number}.npz", normals)
    other = np.column_stack([random.uniform(5, 35, (17, 2)) * (1, 0.7), np.full(17, 2)])
    people = [
        annotation(1, 1, bbox=[2, 3, 30, 24]),
        annotation(2, 1, bbox=[4, 5, 34, 20], area=2000, keypoints=other.ravel().tolist()),
        annotation(3, 2),
        annotation(4, 2, iscrowd=1),
    ]
    pose_folder(root / "pose", coco(people))
    return root


def opened(folders, task):
    source = {"pose": "pose/people.json", "segmentation": "parts"}.get(task, "surface")
    return labelled_data(task, OUTPUTS[task], folders / source)


class Told:
    """Predicts what it was told."""

    size = (4, 3)

    def __init__(self, task, answers, outputs=None):
        self.task, self.outputs = task, outputs or OUTPUTS[task]
        self.answers = answers

    def _all(self, photos, boxes=None):
        for photo, answer in zip(photos, self.answers, strict=True):
            assert photo.ndim == 3
            yield answer

    poses = parts = depths = normals = _all


def truth_of(data):
    """Poses by picture, in the order in which they are asked for."""
    poses = {}
    for sample in data:
        poses.setdefault(sample.image_id, []).append(sample.keypoints)
    return [np.array(people, np.float32) for people in poses.values()]


def samples(data):
    return [data[index] for index in range(len(data))]


def test_who_knows_the_truth_is_perfect(folders):
    data = opened(folders, "pose")
    figures = figures_of(Told("pose", truth_of(samples(data))), data)
    assert figures.main == ("body AP", pytest.approx(100), True)
    assert figures.value("body AR75") == pytest.approx(100)
    assert figures.counts == {"picture": 2, "labelled person": 4, "prediction": 3}

    data = opened(folders, "segmentation")
    figures = figures_of(
        Told("segmentation", [np.minimum(s.label, 27) for s in samples(data)]), data
    )
    assert figures.main == ("mIoU", 100, True)
    assert figures.value("IoU Hair") == 100 and np.isnan(figures.value("IoU Tongue"))

    data = opened(folders, "depth")  # whatever the scale and shift
    figures = figures_of(Told("depth", [3 - s.depth / 7 for s in samples(data)]), data)
    assert figures.main == ("RMSE", pytest.approx(0, abs=1e-6), False)
    assert figures.value("delta1") == 1 and figures.counts["picture"] == 3

    data = opened(folders, "normal")
    figures = figures_of(Told("normal", [s.normals for s in samples(data)]), data)
    assert figures.main == ("mean", pytest.approx(0, abs=0.05), False)
    assert figures.value("below 11.25") == 100


def test_the_right_person_in_the_wrong_place_counts_less(folders):
    data = opened(folders, "pose")
    poses = truth_of(samples(data))
    moved = [people + np.array([0, 9, 0], np.float32) for people in poses]
    worse = figures_of(Told("pose", moved), data).main.value
    assert worse < 50
    absent = [people * 0 for people in poses]
    assert figures_of(Told("pose", absent), data).main.value == 0


def test_detections_stand_in_place_of_labelled_boxes(folders):
    data = opened(folders, "pose")
    poses = truth_of(samples(data))
    box = np.array([[1, 1, 36, 28]], np.float32)
    one = {2: PersonBoxes(box, np.ones(1, np.float32))}
    figures = figures_of(Told("pose", poses[1:]), data, detections=one)
    assert figures.counts["prediction"] == 1
    assert figures.value("body AR") == pytest.approx(100 / 3)  # the other two were missed
    # Of two equal people in one place the one of the better box stays, and counts once.
    twice = {2: PersonBoxes(box.repeat(2, 0), np.array([0.4, 0.9], np.float32))}
    again = figures_of(Told("pose", [poses[1].repeat(2, 0)]), data, detections=twice)
    assert again.main == figures.main
    with pytest.raises(WebbodyError, match="lies outside"):
        far = {2: PersonBoxes(box + 500, np.ones(1, np.float32))}
        figures_of(Told("pose", poses), data, detections=far)


def test_the_first_pictures_alone(folders):
    data = opened(folders, "pose")
    figures = figures_of(Told("pose", truth_of(samples(data))[:1]), data, most=1)
    assert figures.main.value == pytest.approx(100)
    assert figures.counts == {"picture": 1, "labelled person": 2, "prediction": 2}
    data = opened(folders, "normal")
    figures = figures_of(Told("normal", [data[0].normals]), data, most=1)
    assert figures.counts["picture"] == 1


def test_models_of_more_points_are_judged_on_cocos_17(folders):
    data = opened(folders, "pose")
    poses = truth_of(samples(data))
    for count, places in ((133, np.arange(17)), (308, coco17_in_308())):
        many = []
        for people in poses:
            points = np.random.default_rng(0).uniform(0, 40, (len(people), count, 3))
            points[:, places] = people
            many.append(points.astype(np.float32))
        figures = figures_of(Told("pose", many, count), data)
        assert figures.main == ("body AP", pytest.approx(100), True)


@pytest.mark.parametrize("model, data", [(308, 133), (133, 308)])
def test_models_are_judged_on_what_they_share_with_the_data(tmp_path, model, data):
    """Other points may be anywhere; two people are not one because neither has them."""
    random = np.random.default_rng(1)
    people = []
    for number, (image, spread) in enumerate([(1, 1), (1, 0.7), (2, 1)], 1):
        points = np.column_stack([random.uniform(2, 28, (data, 2)) * spread, np.full(data, 2)])
        people.append(annotation(number, image, data, keypoints=points.ravel().tolist()))
    file, images = pose_folder(tmp_path, coco(people, points=data))
    labelled = labelled_data("pose", data, file, images)
    in_308, in_133 = shared_points()
    of_model, of_data = (in_308, in_133) if model == 308 else (in_133, in_308)
    told = []
    for poses in truth_of(samples(labelled)):
        points = random.uniform(0, 40, (len(poses), model, 3)).astype(np.float32)
        points[:, of_model] = poses[:, of_data]
        told.append(points)
    figures = figures_of(Told("pose", told, model), labelled)
    assert figures.main == ("shared AP", pytest.approx(100), True)
    assert figures.value("body AR") == figures.value("foot AP") == pytest.approx(100)
    assert figures.value("face AP") is None and figures.value("whole_body AP") is None
    told[0][0, of_model[:20], :2] += 30
    assert figures_of(Told("pose", told, model), labelled).main.value < 90


@pytest.mark.parametrize("task", OUTPUTS)
def test_a_models_figures_are_those_of_its_predictions(folders, task):
    data, model = opened(folders, task), small_model(task)
    model.train()
    figures = evaluate(model, data, batch=2)
    assert model.training and figures.task == task
    predictor = Predictor(model, batch=1)
    if task == "pose":
        by_picture = {}
        for sample in samples(data):
            by_picture.setdefault(sample.image_id, []).append(sample)
        answers = [
            next(predictor.poses([people[0].image], [np.array([p.box for p in people])]))
            for people in by_picture.values()
        ]
    else:
        method = getattr(predictor, {"segmentation": "parts"}.get(task, f"{task}s"))
        answers = [next(method([sample.image])) for sample in samples(data)]
    told = figures_of(Told(task, answers), data)
    for ours, expected in zip(figures.figures, told.figures, strict=True):
        assert ours.name == expected.name
        assert ours.value == pytest.approx(expected.value, rel=0.02, abs=0.05, nan_ok=True)


def test_the_mean_predictor(folders):
    figures = figures_of(mean_predictor(data := opened(folders, "segmentation")), data)
    labels = np.concatenate([s.label.ravel() for s in samples(data)])
    labels = labels[labels != 255]
    assert figures.value("accuracy") == pytest.approx(100 * (labels == 0).mean())
    confusion = PartConfusion(part_vocabulary(28))
    confusion.add(np.zeros_like(labels[None]), labels[None])
    assert figures.main.value == pytest.approx(100 * confusion.figures().mean_iou)

    figures = figures_of(mean_predictor(data := opened(folders, "depth")), data)
    spread = [s.depth[s.mask].astype(float).std() for s in samples(data)]
    assert figures.main.value == pytest.approx(np.mean(spread))

    figures = figures_of(mean_predictor(data := opened(folders, "normal")), data)
    normals = np.concatenate([s.normals[s.mask] for s in samples(data)]).astype(float)
    mean = normals.mean(0) / np.linalg.norm(normals.mean(0))
    angles = np.degrees(np.arccos(np.clip(normals @ mean, -1, 1)))
    assert figures.main.value == pytest.approx(angles.mean(), abs=1e-3)


def test_the_mean_pose_is_that_of_the_boxes(tmp_path):
    """People of one pose in boxes of different places and sizes: the mean is exact."""
    shares = np.random.default_rng(0).uniform(0.1, 0.9, (17, 2))
    people = []
    for number, (x, y, width, height) in enumerate([(2, 3, 20, 24), (10, 2, 28, 14)], 1):
        points = np.column_stack([shares * (width, height) + (x, y), np.full(17, 2)])
        points[number] = 0  # a point that is not labelled does not count
        people.append(
            annotation(
                number, number, bbox=[x, y, width, height], keypoints=points.ravel().tolist()
            )
        )
    file, images = pose_folder(tmp_path, coco(people))
    data = labelled_data("pose", 17, file, images)
    predictor = mean_predictor(data)
    np.testing.assert_allclose(predictor.value[:, :2], shares, atol=1e-6)
    assert figures_of(predictor, data).main.value == pytest.approx(100)


def test_an_untrained_model_is_of_the_same_kind_and_always_the_same():
    state = torch.random.get_rng_state()
    model = small_model("segmentation", 20, seed=1)
    before = torch.random.get_rng_state()
    a, b = untrained(model), untrained(model)
    assert torch.equal(before, torch.random.get_rng_state())
    assert a.config == model.config and not a.training
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.encoder.patch_embed.weight, model.encoder.patch_embed.weight)
    torch.random.set_rng_state(state)


def test_data_of_another_task_or_vocabulary_are_told(folders, tmp_path):
    with pytest.raises(WebbodyError, match="for depth, the data are for pose"):
        evaluate(small_model("depth"), opened(folders, "pose"))
    with pytest.raises(WebbodyError, match="17 keypoints, the data 133"):
        wide = labelled_data(
            "pose", 133, *pose_folder(tmp_path, coco([annotation(1, 1, 133)], 2, 133))
        )
        evaluate(small_model("pose"), wide)
    with pytest.raises(WebbodyError, match="20 classes, the data 28"):
        evaluate(small_model("segmentation", 20), opened(folders, "segmentation"))
    with pytest.raises(WebbodyError, match="no such file"):
        labelled_data("pose", 17, folders / "none.json")
    with pytest.raises(WebbodyError, match="is a folder"):
        labelled_data("pose", 17, folders / "pose")
    with pytest.raises(WebbodyError, match="is no folder"):
        labelled_data("depth", 1, folders / "pose/people.json")


@pytest.mark.parametrize(
    "task, outputs",
    [("pose", 17), ("pose", 133), ("pose", 308), ("segmentation", 28), ("depth", 1), ("normal", 3)],
)
def test_the_papers_columns_are_ours(folders, task, outputs):
    if task == "pose":
        names = set(keypoint_vocabulary(outputs).groups)
        known = {
            f"{group} {name}"
            for group in names
            for name in (
                "AP",
                "AR",
                "AP50",
                "AP75",
                "AR50",
                "AR75",
                "AP medium",
                "AP large",
                "AR medium",
                "AR large",
            )
        }
    else:
        data = opened(folders, task)
        known = {f.name for f in figures_of(mean_predictor(data), data).figures}
    tables = paper_tables(task, outputs)
    assert tables
    for table in tables:
        assert set(table.columns) <= known
        assert all(len(values) == len(table.columns) for _, values in table.rows)


def test_the_papers_figures():
    """Spot checks against the printed tables."""

    def value(task, outputs, data, method, column):
        (table,) = [table for table in paper_tables(task, outputs) if table.data == data]
        return dict(table.rows)[method][table.columns.index(column)]

    assert value("pose", 308, "Humans-5K, 114 points", "Sapiens-2B", "whole_body AP") == 61.1
    assert value("pose", 17, "COCO val", "Sapiens-1B", "body AP") == 82.1
    assert value("segmentation", 28, "Humans-2K", "Sapiens-2B", "mIoU") == 81.2
    assert value("depth", 1, "Hi4D", "DepthAny-L", "AbsRel") == 0.035
    assert value("normal", 3, "THuman2.0", "Sapiens-0.3B", "mean") == 13.02
    assert paper_tables("segmentation", 20) == []


def test_figures_are_json(folders):
    data = opened(folders, "depth")
    figures = figures_of(mean_predictor(data), data)
    assert json.loads(json.dumps(figures.main)) == ["RMSE", figures.main.value, False]
