"""DBSCAN in blocks equals scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from pipelines.identity.density import dbscan
from pipelines.identity.features import unit


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 60),
    groups=st.integers(1, 6),
    noise=st.floats(0.1, 2),
    eps=st.floats(0.05, 1.1),
    min_samples=st.integers(1, 6),
    dense=st.integers(1, 70),
)
def test_equals_sklearn(seed, count, groups, noise, eps, min_samples, dense):
    rng = np.random.default_rng(seed)
    anchors = rng.normal(size=(groups, 6))
    features = unit(anchors[rng.integers(groups, size=count)] + noise * rng.normal(size=(count, 6)))
    labels, links = dbscan(features, eps, min_samples, dense=dense)
    if not count:
        assert len(labels) == len(links) == 0
        return
    distance = 1 - np.clip(features @ features.T, 0, 1)
    if (abs(distance - eps) < 1e-5).any():
        return  # rounding of a matrix product may decide
    np.fill_diagonal(distance, 0)
    expected = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit(distance)
    np.testing.assert_array_equal(labels, expected.labels_)
    np.testing.assert_array_equal(links, (distance <= eps).sum(1) - 1)


@pytest.mark.parametrize("dense", [4096, 3])
def test_exact_duplicates_are_linked(dense):
    features = unit(np.repeat(np.eye(3, 8, dtype=np.float32) * 3, [4, 2, 1], axis=0))
    labels, links = dbscan(features, 0.1, 2, dense=dense)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, -1]
    assert links.tolist() == [3, 3, 3, 3, 1, 1, 0]


def test_a_name_of_10000_images_needs_no_matrix():
    import tracemalloc

    rng = np.random.default_rng(0)
    anchors = rng.normal(size=(3, 64))
    which = rng.choice(3, 10_000, p=[0.6, 0.3, 0.1])
    features = unit(anchors[which] + 0.5 * rng.normal(size=(10_000, 64)))
    tracemalloc.start()
    labels, _ = dbscan(features, 0.5, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300e6  # the distances alone would be 400 MB
    assert len(set(zip(labels, which, strict=True))) == 3
