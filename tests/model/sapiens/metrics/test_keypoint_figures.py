"""OKS figures against the authors' metric, and against cases that are known by hand."""

import math
from dataclasses import astuple, replace

import numpy as np
import pytest

from model.sapiens.metrics import FoundPose, TruePose, keypoint_figures, without_duplicates
from model.sapiens.metrics.keypoints import evaluation
from model.sapiens.vocabulary import keypoint_vocabulary
from tests.model.sapiens.metrics.golden_metrics import SEEDS, poses

NAMES = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")
GROUPS = {"body17": "body", "lefthand": "left_hand", "righthand": "right_hand",
          "wholebody": "whole_body"}  # fmt: skip
PARTS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
CASES = [(points, seed) for points in (17, 133) for seed in SEEDS]


def labelled(golden, points):
    for row in golden["ground_truth"]["annotations"]:
        flat = [value for part in PARTS if part in row for value in row[part]]
        x, y, width, height = row["bbox"]
        yield TruePose(
            image=row["image_id"],
            keypoints=np.array(flat).reshape(points, 3),
            box=np.array([x, y, x + width, y + height]),
            area=row["area"],
            crowd=bool(row["iscrowd"]),
        )


def detected(golden):
    for row in golden["detections"]:
        yield FoundPose(
            image=row["image_id"],
            keypoints=np.array(row["keypoints"]),
            scores=np.array(row["keypoint_scores"]),
            box_score=row["bbox_score"],
            box_size=np.array(row["bbox_scale"]),
        )


@pytest.mark.parametrize(("points", "seed"), CASES)
def test_sigmas_are_the_published_ones(points, seed):
    assert keypoint_vocabulary(points).sigmas.tolist() == poses(points, seed)["sigmas"]


@pytest.mark.parametrize(("points", "seed"), CASES)
def test_the_same_people_remain_with_the_same_scores(points, seed):
    golden = poses(points, seed)
    kept = without_duplicates(list(detected(golden)), keypoint_vocabulary(points).sigmas)
    by_place = {row["id"]: tuple(row["keypoints"][0]) for row in golden["detections"]}
    expected = sorted((by_place[number], score) for number, score in golden["kept_after_nms"])
    found = sorted((tuple(person.keypoints[0]), person.score) for person in kept)
    assert [place for place, _ in found] == [place for place, _ in expected]
    np.testing.assert_allclose(
        [score for _, score in found], [score for _, score in expected], rtol=1e-12
    )


@pytest.mark.parametrize(("points", "seed"), CASES)
def test_figures_are_the_published_ones(points, seed):
    golden = poses(points, seed)
    images = [row["id"] for row in golden["ground_truth"]["images"]]
    figures = keypoint_figures(
        list(labelled(golden, points)),
        list(detected(golden)),
        images,
        keypoint_vocabulary(points),
    )
    for name, part in golden["parts"].items():
        expected = [part["stats"][key] for key in NAMES]
        expected = [value if value >= 0 else math.nan for value in expected]
        np.testing.assert_allclose(astuple(figures[GROUPS.get(name, name)]), expected, atol=1e-9)


@pytest.mark.parametrize(("points", "seed"), CASES)
def test_similarities_are_the_published_ones(points, seed):
    golden, vocabulary = poses(points, seed), keypoint_vocabulary(points)
    images = [row["id"] for row in golden["ground_truth"]["images"]]
    kept = without_duplicates(list(detected(golden)), vocabulary.sigmas)
    for name, part in golden["parts"].items():
        group = vocabulary.groups[GROUPS.get(name, name)]
        result = evaluation(list(labelled(golden, points)), kept, images, group, vocabulary.sigmas)
        for image, table in part["oks"].items():
            np.testing.assert_allclose(result.ious[int(image), 1], table, atol=1e-9)


def person(shift=0.0, image=1, **changes):
    points = np.stack([np.linspace(100, 200, 17), np.linspace(100, 300, 17), np.full(17, 2.0)], 1)
    points[:, 0] += shift
    box = np.array([100 + shift, 100, 200 + shift, 300])
    return replace(TruePose(image, points, box, area=20_000.0), **changes)


def found(truth, score=0.9):
    size = (truth.box[2:] - truth.box[:2]) * 1.25
    return FoundPose(truth.image, truth.keypoints[:, :2].copy(), np.ones(17), score, size)


def body(truth, predicted, images=(1,)):
    return keypoint_figures(truth, predicted, images, keypoint_vocabulary(17))["body"]


def test_finding_everybody_where_they_are_is_perfect():
    truth = [person(), person(400)]
    figures = body(truth, [found(each) for each in truth])
    assert (figures.ap, figures.ar, figures.ap_large) == pytest.approx((1, 1, 1))
    assert math.isnan(figures.ap_medium)


def test_half_of_the_people_found_is_half_the_recall():
    figures = body([person(), person(400)], [found(person())])
    assert figures.ar == 0.5
    assert figures.ap == pytest.approx(51 / 101)


def test_a_person_without_labels_and_a_crowd_are_neither_right_nor_wrong():
    blank = person(400)
    blank.keypoints[:, 2] = 0
    for other in (blank, person(400, crowd=True)):
        figures = body([person(), other], [found(person(), 0.5), found(person(400), 0.9)])
        assert (figures.ap, figures.ar) == pytest.approx((1, 1))
    # On a picture without them the same finding is wrong, and the most certain one.
    assert body([person()], [found(person(), 0.5), found(person(400), 0.9)]).ap == 0.5


def test_somebody_on_a_picture_without_people_is_found_wrongly():
    others = [found(person(), 0.5), found(person(image=2), 0.9)]
    assert body([person()], others, images=(1, 2)).ap == 0.5


def test_nobody_found_is_nothing():
    figures = body([person()], [])
    assert (figures.ap, figures.ar) == (0, 0)
    assert math.isnan(body([], []).ap)


def test_a_person_found_twice_counts_once():
    twice = [found(person(), 0.9), found(person(1), 0.8)]
    kept = without_duplicates(twice, keypoint_vocabulary(17).sigmas)
    assert [each.box_score for each in kept] == [0.9]
    on_others = [found(person(), 0.9), found(person(image=2), 0.8)]
    assert len(without_duplicates(on_others, keypoint_vocabulary(17).sigmas)) == 2


def test_absent_points_are_similar_to_nothing():
    absent = found(person())
    absent.keypoints[:10] = np.nan
    group, sigmas = np.arange(17), keypoint_vocabulary(17).sigmas
    result = evaluation([person()], [absent], [1], group, sigmas)
    assert result.ious[1, 1] == pytest.approx(7 / 17)
    # Two halves of a body that have no point in common are two people.
    other = found(person(), 0.5)
    other.keypoints[10:] = np.nan
    assert len(without_duplicates([absent, other], sigmas)) == 2
    assert len(without_duplicates([absent, replace(absent, box_score=0.1)], sigmas)) == 1


def test_scores_count_points_above_a_fifth():
    scores = np.full(17, 0.1)
    assert replace(found(person()), scores=scores).score == 0
    scores[3:5] = 0.3, 0.5
    assert replace(found(person(), 0.5), scores=scores).score == pytest.approx(0.2)


def test_a_part_that_is_not_labelled_is_left_out_of_its_group():
    vocabulary = keypoint_vocabulary(133)
    points = np.zeros((133, 3))
    points[:17] = person().keypoints
    truth = TruePose(1, points, person().box, 20_000.0)
    guess = FoundPose(1, points[:, :2], np.ones(133), 1.0, np.array([125.0, 250.0]))
    figures = keypoint_figures([truth], [guess], [1], vocabulary)
    assert figures["body"].ap == figures["whole_body"].ap == pytest.approx(1)
    assert math.isnan(figures["face"].ap)
    assert set(figures) == set(vocabulary.groups)
