"""Calibration on features whose distribution is known."""

import numpy as np
import pytest

from pipelines.known.calibrate import calibrate, copy_of, drawn
from webbody.errors import WebbodyError


def made(spread: float, people=25, images=12, dim=128, seed=0):
    """Features around random anchors; two faces of a person have a cosine of 1 / (1 + spread^2)."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), images)
    anchors = rng.normal(size=(people, dim))
    features = anchors[labels] + spread * rng.normal(size=(len(labels), dim))
    copies = features + 0.1 * rng.normal(size=features.shape)
    return features.astype(np.float32), labels, copies.astype(np.float32)


def test_a_good_embedder():
    features, labels, copies = made(0.8)
    found = calibrate(features, labels, copies)
    assert found.warnings == []
    assert 0.45 < found.eps < 0.75  # genuine pairs lie at a cosine of 0.6, strangers below 0.3
    assert 0.3 < found.ambiguous == found.leak < found.similar < 0.9
    assert 0.75 < found.duplicate < 0.99
    assert found.figures["cleaned_names_f1"] > 0.98
    assert found.figures["merged_share"] > 0.98
    assert found.settings()["clusters"] == {"eps": found.eps}
    assert calibrate(features, labels, copies) == found  # the seed decides


def test_more_people_need_a_stricter_threshold():
    features, labels, _ = made(0.8)
    few, many = (calibrate(features, labels, people=n).ambiguous for n in (100, 1_000_000))
    assert many > few + 0.05


def test_an_embedder_that_tells_nobody_apart():
    features, labels, copies = made(6)
    found = calibrate(features, labels, copies)
    assert any("merges will be missed" in warning for warning in found.warnings)
    assert found.similar >= found.ambiguous


def test_names_as_labels_and_missing_copies():
    features, labels, copies = made(0.8)
    copies[::2] = np.nan
    named = [f"person {label}" for label in labels]
    assert calibrate(features, named, copies).duplicate > 0.7


def test_too_few_people():
    with pytest.raises(WebbodyError, match="at least 10 people"):
        calibrate(*made(0.8, people=3))


def test_pictures():
    pictures = list(drawn(2, 2, seed=0))
    assert [label for label, _ in pictures] == [9_000_000] * 2 + [9_000_001] * 2
    (_, one), (_, again) = pictures[0], next(drawn(1, 1, seed=0))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (256, 256, 3)
    assert pictures[1][1].shape == (448, 448, 3)
    assert copy_of(one).shape == (192, 192, 3)
