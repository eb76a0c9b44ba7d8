"""Ten folds of pairs against insightface's figures."""

import numpy as np
import pytest
import torch
from evaluation_golden import TOLERANCE, fuse, golden

from model.evaluation.verification import THRESHOLDS, verify
from webbody.errors import WebbodyError


@pytest.mark.parametrize("tensors", [False, True], ids=["numpy", "torch"])
@pytest.mark.parametrize("pairs", [300, 307])
def test_the_official_figures(pairs, tensors):
    case = golden(f"verification_{pairs}pairs_seed0.npz")
    features, same = fuse(case["feat"], case["feat_flip"]), case["issame"]
    found = verify(features if tensors else features.numpy(), torch.from_numpy(same))
    expected = {"fold_accuracy": found.fold_accuracy, "tpr": found.tpr, "fpr": found.fpr}
    for name, values in expected.items():
        np.testing.assert_allclose(values, case[f"out_{name}"], atol=TOLERANCE, rtol=0)
    for name, value in (("acc", found.accuracy), ("std", found.std)):
        np.testing.assert_allclose(100 * value, case[f"res_{name}"], atol=100 * TOLERANCE, rtol=0)
    np.testing.assert_allclose(THRESHOLDS, case["thresholds"])
    assert found.pairs == pairs


def test_pairs_of_equal_and_of_opposite_images():
    features = np.tile(np.array([[1, 0], [2, 0], [1, 0], [-1, 0]], np.float32), (10, 1))
    found = verify(features, np.tile([True, False], 10))
    assert (found.accuracy, found.std) == (1, 0)
    # A distance of 0 is below 0.01, and below no threshold before.
    assert (found.fold_threshold == 0.01).all()
    assert found.tpr[:2].tolist() == [0, 1] and found.fpr.max() == 0


def test_a_fold_without_negatives_counts_none_of_them():
    found = verify(np.ones((24, 2), np.float32), np.ones(12, bool))
    assert found.accuracy == 1 and found.fpr.max() == 0


@pytest.mark.parametrize(
    ("features", "pairs", "told"),
    [
        (np.ones((18, 2), np.float32), 9, "of at least 10 pairs"),
        (np.ones((22, 2), np.float32), 10, r"not features of shape \(22, 2\) and 10 pairs"),
        (np.full((20, 2), np.nan, np.float32), 10, "20 of 20 pair features are NaN"),
    ],
)
def test_what_cannot_be_verified_is_told(features, pairs, told):
    with pytest.raises(WebbodyError, match=told):
        verify(features, np.ones(pairs, bool))
