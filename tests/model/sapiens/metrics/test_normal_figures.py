"""Angles of normals against a formula of its own, and by hand."""

import math

import numpy as np
import pytest

from model.sapiens.metrics import NormalErrors
from tests.model.sapiens.metrics.golden_metrics import SEEDS, arrays


@pytest.mark.parametrize("seed", SEEDS)
def test_angles_are_those_of_the_formula(seed):
    golden = arrays("normal_metrics", seed)
    errors = NormalErrors()
    for predicted, target, mask in zip(
        golden["pred"], golden["target"], golden["mask"], strict=True
    ):
        errors.add(predicted.transpose(1, 2, 0), target.transpose(1, 2, 0), mask.astype(bool))
    figures = errors.figures()
    assert errors.undefined == 2
    mean, median = golden["formula_angle_mean_median"]
    assert figures.mean == pytest.approx(mean, rel=1e-9)
    assert figures.median == pytest.approx(median, abs=1e-4)
    below = (figures.below_11_25, figures.below_22_5, figures.below_30)
    assert below == pytest.approx(golden["formula_angle_percent_below_11_22_30"], rel=1e-9)


def turned(degrees):
    """Normals (N, 1, 3), each turned from the z axis by an angle."""
    angle = np.radians(degrees)
    return np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], -1)[:, None]


def measured(degrees, mask=None):
    predicted = turned(np.asarray(degrees, float))
    errors = NormalErrors()
    shown = np.ones(predicted.shape[:2], bool) if mask is None else np.array(mask)[:, None]
    errors.add(predicted * 3.5, np.broadcast_to([0.0, 0, 2], predicted.shape), shown)
    return errors.figures()


def test_known_angles():
    figures = measured([0, 10, 20, 25, 90, 180])
    assert figures.mean == pytest.approx(325 / 6)
    assert figures.median == pytest.approx(22.5, abs=1e-4)
    below = (figures.below_11_25, figures.below_22_5, figures.below_30)
    assert below == pytest.approx((100 / 3, 50, 200 / 3))


def test_only_the_mask_counts():
    assert measured([5, 90, 175], mask=[True, False, False]).mean == pytest.approx(5)


def test_all_pixels_count_alike_whichever_picture_they_are_of():
    errors = NormalErrors()
    for degrees in ([10.0], [40.0, 40.0, 40.0]):
        predicted = turned(np.array(degrees))
        target = np.broadcast_to([0.0, 0, 1], predicted.shape)
        errors.add(predicted, target, np.ones(predicted.shape[:2], bool))
    assert errors.figures().mean == pytest.approx(32.5)
    assert errors.figures().median == pytest.approx(40, abs=1e-4)


def test_vectors_without_a_direction_count_nowhere():
    errors = NormalErrors()
    zeros, up = np.zeros((1, 1, 3)), np.ones((1, 1, 3))
    for predicted, target in ((zeros, up), (up, zeros), (up * np.nan, up)):
        errors.add(predicted, target, np.ones((1, 1), bool))
    assert errors.undefined == 3
    assert math.isnan(errors.figures().mean)


def test_misshapen_maps_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        NormalErrors().add(np.zeros((4, 5, 3)), np.zeros((4, 5, 3)), np.zeros((5, 4), bool))
