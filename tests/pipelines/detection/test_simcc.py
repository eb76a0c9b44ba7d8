"""Confidences of SimCC models: one number in 0..1 that means the same at every scale of logits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipelines.detection.simcc import BETAS, infer_beta, read_simcc

BINS = (384, 512)
SIGMA = (4.9, 5.66)  # of the labels at 192 x 256 px


def label(centre: float, axis: int, height: float = 1.0) -> np.ndarray:
    """What a loss with a beta of 10 draws the logits of a sure point to."""
    away = np.arange(BINS[axis]) - centre
    return (height * np.exp(-(away**2) / (2 * SIGMA[axis] ** 2))).astype(np.float32)


def read(x, y, beta=10.0):
    places, sure = read_simcc(x.reshape(1, 1, -1), y.reshape(1, 1, -1), beta)
    return places[0, 0], float(sure[0, 0])


def logits(bins: int):
    # Steps of 1/32: adding and scaling by powers of two change nothing but the number.
    whole = st.integers(-64, 64)
    return arrays.arrays(np.float32, (1, 2, bins), elements=whole.map(lambda n: n / 32))


@pytest.mark.parametrize(("peak", "expected"), [(1.0, 0.99), (0.5, 0.69), (0.3, 0.3), (0.0, 0.04)])
def test_the_heights_of_rtmposes_peaks_become_confidences(peak, expected):
    place, sure = read(label(100, 0, peak), label(300, 1, peak))
    assert sure == pytest.approx(expected, abs=0.02)
    assert peak == 0 or place.tolist() == [50, 150]


@given(logits(24), logits(32), st.sampled_from([0.5, 1.0, 4.0]), st.integers(-8, 8))
def test_scale_and_offset_of_the_logits_change_nothing(x, y, factor, offset):
    places, sure = read_simcc(x, y, 10.0)
    assert ((sure >= 0) & (sure <= 1)).all()
    again, same = read_simcc(factor * x + offset, factor * y + offset, 10.0 / factor)
    np.testing.assert_array_equal(places, again)
    np.testing.assert_allclose(sure, same, atol=1e-5)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_less_sure_axis_counts(x, y):
    both = [read(label(50, 0, height), label(60, 1, height))[1] for height in (x, y)]
    mixed = read(label(50, 0, x), label(60, 1, y))[1]
    assert min(both) - 0.04 <= mixed <= min(both) + 0.04


def test_of_two_places_the_mass_of_one_counts():
    x = np.maximum(label(100, 0), label(250, 0))
    assert read(x, label(60, 1))[1] == pytest.approx(0.5, abs=0.01)


def test_places_at_the_edge_are_read():
    place, sure = read(label(0, 0), label(511, 1))
    assert place.tolist() == [0, 255.5] and sure > 0.98


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_not_sure(bad):
    x = label(100, 0)
    x[7] = bad
    assert read(x, label(60, 1))[1] == 0


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("height", [0.35, 0.5, 0.8, 1.1])
def test_beta_is_told_from_the_height_of_the_peaks(beta, height):
    x, y = label(100, 0, 10 * height / beta), label(60, 1, 10 * height / beta)
    assert infer_beta(x.reshape(1, 1, -1) - 3, y.reshape(1, 1, -1) + 3) == beta


def test_no_beta_is_told_of_other_outputs():
    x, y = label(100, 0, 255), label(60, 1, 255)
    assert infer_beta(x.reshape(1, 1, -1), y.reshape(1, 1, -1)) is None
    x[:] = np.nan
    assert infer_beta(x.reshape(1, 1, -1), y.reshape(1, 1, -1)) is None
