"""TAR at FAR against the authors' figures, and the ROC against scikit-learn's."""

import numpy as np
import pytest
import torch
from evaluation_golden import TOLERANCE, golden
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.tar_at_far import roc, tar_at_far
from webbody.errors import WebbodyError


@pytest.mark.parametrize("name", ["normT_detT", "normT_detF", "normF_detT"])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_the_official_figures(name, kind):
    case = golden("ijb_seed0.npz")
    found = tar_at_far(kind(case[f"out_{name}_scores"]), case["label"], case["fars"])
    np.testing.assert_allclose(100 * found.tar, case[f"res_{name}_tar"], atol=100 * TOLERANCE)
    np.testing.assert_allclose(found.threshold, case[f"out_{name}_thresh"], atol=TOLERANCE)
    assert (found.positives, found.negatives) == (case["label"].sum(), (1 - case["label"]).sum())
    assert found.resolved.tolist() == [far * found.negatives >= 1 for far in case["fars"]]


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2))
def test_the_roc_of_scikit_learn(pairs):
    roc_curve = pytest.importorskip("sklearn.metrics").roc_curve
    score, same = (np.array(values) for values in zip(*pairs, strict=True))
    if same.all() or not same.any():
        return
    for ours, theirs in zip(roc(score.astype(float), same), roc_curve(same, score), strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_the_nearest_vertex_may_be_above_or_below():
    # False accept rates of the vertices: 0, 0.25, 1.
    score, same = np.array([9, 8, 7, 6, 5, 4.0]), np.array([1, 0, 1, 0, 0, 0], bool)
    found = tar_at_far(score, same, (0.2, 0.126, 0.125, 0.1))
    assert found.actual.tolist() == [0.25, 0.25, 0.25, 0]
    assert found.tar.tolist() == [1, 1, 1, 0.5]
    assert found.threshold.tolist() == [7, 7, 7, 9]
    assert not found.resolved.any()


@pytest.mark.parametrize(
    ("score", "same", "told"),
    [
        ([0.1, np.nan], [True, False], "scores of pairs are NaN"),
        ([0.1, 0.2], [True, True], "2 of one person and 0 of two"),
    ],
)
def test_what_has_no_roc_is_told(score, same, told):
    with pytest.raises(WebbodyError, match=told):
        tar_at_far(np.array(score), np.array(same))
