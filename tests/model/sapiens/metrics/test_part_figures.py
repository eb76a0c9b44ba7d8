"""mIoU and mAcc against the authors' metric, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sapiens.metrics import PartConfusion
from model.sapiens.vocabulary import part_vocabulary
from tests.model.sapiens.metrics.golden_metrics import SEEDS, arrays


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [28, 20])
def test_figures_are_the_published_ones(classes, seed):
    golden = {
        name.removesuffix(f"_{classes}"): value
        for name, value in arrays("miou", seed).items()
        if name.endswith(f"_{classes}")
    }
    confusion = PartConfusion(part_vocabulary(classes))
    for predicted, label in zip(golden["pred"], golden["label"], strict=True):
        confusion.add(predicted, label)
    counts = confusion.counts
    np.testing.assert_array_equal(counts.diagonal(), golden["intersect"])
    np.testing.assert_array_equal(counts.sum(0), golden["area_pred"])
    np.testing.assert_array_equal(counts.sum(1), golden["area_label"])
    figures = confusion.figures()
    np.testing.assert_allclose(figures.iou, golden["iou"], rtol=1e-6)
    np.testing.assert_allclose(figures.class_accuracy, golden["acc"], rtol=1e-6)
    ours = figures.accuracy, figures.mean_iou, figures.mean_accuracy
    published = golden["exact_aAcc"], golden["exact_mIoU"], golden["exact_mAcc"]
    np.testing.assert_allclose(ours, published, rtol=1e-6)
    reported = np.round(np.array(ours) * 100, 2)
    np.testing.assert_allclose(reported, golden["exact_reported"], atol=1e-5)


def test_a_class_that_is_predicted_but_never_labelled_counts_0():
    confusion = PartConfusion(part_vocabulary(20))
    confusion.add(np.array([[0, 0, 3]]), np.array([[0, 0, 0]]))
    figures = confusion.figures()
    assert figures.iou[3] == 0
    assert np.isnan(figures.class_accuracy[3])
    assert figures.mean_iou == pytest.approx((2 / 3 + 0) / 2)
    assert figures.mean_accuracy == pytest.approx(2 / 3)


def test_ignored_pixels_count_nowhere():
    confusion = PartConfusion(part_vocabulary(20))
    confusion.add(np.array([[5, 6]]), np.array([[255, 255]], np.uint8))
    assert confusion.counts.sum() == 0
    assert np.isnan(confusion.figures().mean_iou)


def test_classes_outside_and_other_sizes_are_refused():
    confusion = PartConfusion(part_vocabulary(20))
    for predicted, label in (([[20]], [[0]]), ([[0]], [[20]]), ([[-1]], [[0]])):
        with pytest.raises(ValueError, match="0 to 19"):
            confusion.add(np.array(predicted), np.array(label))
    with pytest.raises(ValueError, match="shape"):
        confusion.add(np.zeros((2, 3), int), np.zeros((3, 2), int))


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_the_order_and_grouping_of_pictures_does_not_matter(seed, pictures):
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, 20, (2, pictures, 5, 4))
    labels[rng.random(labels.shape) < 0.2] = 255
    one, many = (PartConfusion(part_vocabulary(20)) for _ in range(2))
    one.add(predicted, labels)
    for at in rng.permutation(pictures):
        many.add(predicted[at], labels[at])
    assert (one.counts == many.counts).all()
