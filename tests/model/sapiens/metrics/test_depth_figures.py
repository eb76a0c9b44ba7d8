"""Depth errors against the authors' metric, and what fitting must and must not change."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sapiens.metrics import depth_figures, mean_figures, scale_and_shift
from tests.model.sapiens.metrics.golden_metrics import SEEDS, arrays
from webbody.errors import WebbodyError

PUBLISHED = {
    "rmse": "rmse", "abs_rel": "abs_rel", "sq_rel": "sq_rel", "rmse_log": "rmse_log",
    "log10": "log10", "silog": "silog", "delta1": "d1", "delta2": "d2", "delta3": "d3",
}  # fmt: skip


def picture(seed=0, shape=(12, 9)):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 1, shape), rng.random(shape) < 0.7


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_without_fitting_are_the_published_ones(seed):
    golden = arrays("depth_metrics", seed)
    target = golden["metric_target"]
    each = [
        depth_figures(predicted, true, true > 0, fitted=False)
        for predicted, true in zip(golden["pred_positive"], target, strict=True)
    ]
    mean = mean_figures(each)
    for ours, theirs in PUBLISHED.items():
        assert getattr(mean, ours) == pytest.approx(golden[f"exact_metric_{theirs}"], rel=1e-5)
    for ours, theirs in (("rmse", "rmse"), ("abs_rel", "abs_rel"), ("delta1", "d1")):
        found = [getattr(figures, ours) for figures in each]
        np.testing.assert_allclose(found, golden[f"exact_metric_{theirs}_per_image"], rtol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_after_fitting_are_those_of_the_formula(seed):
    golden = arrays("depth_metrics", seed)
    rows = zip(
        golden["formula_align_pred"],
        golden["metric_target"],
        golden["formula_align_scale_shift"],
        golden["formula_align_rmse_absrel_d1_per_image"],
        strict=True,
    )
    for predicted, true, scale_shift, expected in rows:
        np.testing.assert_allclose(scale_and_shift(predicted, true, true > 0), scale_shift, 1e-9)
        figures = depth_figures(predicted, true, true > 0)
        np.testing.assert_allclose(
            (figures.rmse, figures.abs_rel, figures.delta1), expected, rtol=1e-9
        )


@given(st.floats(0.01, 100), st.floats(-50, 50), st.integers(0, 1000))
def test_fitting_undoes_scale_and_shift(scale, shift, seed):
    target, mask = picture(seed)
    figures = depth_figures(target * scale + shift, target, mask)
    assert figures.rmse == pytest.approx(0, abs=1e-9)
    assert figures.delta1 == 1


def test_fitting_never_makes_the_squared_error_larger():
    target, mask = picture(3)
    predicted, _ = picture(4)
    fitted = depth_figures(predicted, target, mask)
    assert fitted.rmse <= depth_figures(predicted, target, mask, fitted=False).rmse


def test_what_is_outside_of_the_mask_changes_nothing():
    target, mask = picture(5)
    predicted, _ = picture(6)
    other = np.where(mask, predicted, np.nan)
    assert depth_figures(other, target, mask) == depth_figures(predicted, target, mask)


def test_a_constant_prediction_is_fitted_to_the_mean():
    target, mask = picture(7)
    scale, shift = scale_and_shift(np.full_like(target, 3), target, mask)
    assert (scale, shift) == (0, pytest.approx(target[mask].mean()))


def test_a_prediction_below_0_is_off_by_more_than_any_factor():
    target, mask = np.full((4, 4), 0.5), np.ones((4, 4), bool)
    figures = depth_figures(-target, target, mask, fitted=False)
    assert (figures.delta1, figures.delta3) == (0, 0)
    assert np.isfinite(astuple(figures)).all()


def test_pixels_at_depth_0_do_not_count():
    target, mask = picture(8)
    target[0] = 0
    predicted, _ = picture(9)
    below = mask.copy()
    below[0] = False
    assert depth_figures(predicted, target, mask) == depth_figures(predicted, target, below)


def test_a_picture_without_a_person_has_no_figures():
    target, mask = picture()
    assert depth_figures(target, target, np.zeros_like(mask)) is None
    assert mean_figures([]) is None


def test_misshapen_and_infinite_predictions_are_refused():
    target, mask = picture()
    with pytest.raises(ValueError, match="shapes"):
        depth_figures(target.T, target, mask)
    with pytest.raises(WebbodyError, match="not finite everywhere"):
        depth_figures(np.full_like(target, np.inf), target, mask)
