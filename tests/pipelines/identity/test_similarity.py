"""Pairs in blocks equal all pairs; a threshold that fits nothing is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity import similarity
from pipelines.identity.features import unit
from pipelines.identity.similarity import pairs_above
from webbody.errors import WebbodyError


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    left=st.integers(0, 25),
    right=st.one_of(st.none(), st.integers(0, 25)),
    threshold=st.floats(-0.5, 0.9),
    block=st.integers(1, 30),
)
def test_blocks_equal_brute_force(seed, left, right, threshold, block):
    rng = np.random.default_rng(seed)
    a = unit(rng.normal(size=(left, 4)))
    b = None if right is None else unit(rng.normal(size=(right, 4)))
    cosine = a @ (a if b is None else b).T
    if (abs(cosine - threshold) < 1e-5).any():
        return
    expected = cosine >= threshold
    if b is None:
        expected = np.triu(expected, 1)
    pairs = pairs_above(a, b, threshold, block=block)
    np.testing.assert_array_equal(np.stack([pairs.a, pairs.b]), np.stack(np.nonzero(expected)))
    np.testing.assert_allclose(pairs.cosine, cosine[expected], atol=1e-6)


def test_a_threshold_that_everything_passes(monkeypatch):
    monkeypatch.setattr(similarity, "MAX_PAIRS", 100)
    features = unit(np.ones((30, 4), np.float32))
    with pytest.raises(WebbodyError, match="calibrate"):
        pairs_above(features, None, 0.5)
