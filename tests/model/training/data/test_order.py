"""The order of samples: every epoch shows each as often as it should, ranks share it exactly."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.training.data.order import Order, repeats, share

amounts = st.lists(st.floats(0, 4), min_size=1, max_size=40).filter(lambda r: round(sum(r)) >= 1)


@given(amounts, st.integers(0, 2**32))
def test_an_epoch_shows_each_sample_its_whole_repeats_and_at_most_one_more(rates, seed):
    order = Order(np.array(rates), seed)
    exact = np.array(rates) * order.epoch_length / sum(rates)
    for epoch in range(3):
        counts = np.bincount(order.epoch(epoch), minlength=len(rates))
        assert counts.sum() == order.epoch_length == round(sum(rates))
        assert (counts >= np.floor(exact - 1e-6)).all() and (counts <= np.ceil(exact + 1e-6)).all()


def test_fractions_come_out_right_over_many_epochs():
    rates = np.array([0.25, 1.5, 1.0, 0.05, 2.2])
    order = Order(rates, seed=1)
    counts = sum(np.bincount(order.epoch(epoch), minlength=5) for epoch in range(4000))
    np.testing.assert_allclose(counts / 4000, rates, atol=0.03)


def test_without_weights_an_epoch_is_a_permutation_and_epochs_differ():
    order = Order(np.ones(1000), seed=0)
    first, second = order.epoch(0), order.epoch(1)
    assert sorted(first) == sorted(second) == list(range(1000))
    assert (first != second).any() and (first != np.arange(1000)).any()
    assert (first != Order(np.ones(1000), seed=1).epoch(0)).any()


def test_many_equal_repeats_stay_equal():
    """Rounding errors of the sums turn no certainty into a chance."""
    counts = np.bincount(Order(np.full(300_000, 1 / 3) * 3 * 1.0000001, 0).epoch(0))
    assert (counts == 1).all()


@given(
    amounts,
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5)), max_size=12),
    st.integers(0, 2**32),
)
def test_any_cut_into_steps_and_ranks_gives_the_sequence(rates, steps, seed):
    """Each step has its own size and number of ranks, as after resuming at another world size."""
    order = Order(np.array(rates), seed)
    position, seen = 0, []
    for size, ranks in steps:
        fresh = Order(np.array(rates), seed)  # knows nothing of what came before
        ids = fresh.take(position, size)
        parts = [share(ids, rank, ranks) for rank in range(ranks)]
        assert Counter(np.concatenate(parts).tolist()) == Counter(ids.tolist())
        seen.extend(ids)
        position += size
    length = order.epoch_length
    whole = np.concatenate([order.epoch(e) for e in range(position // length + 1)])
    np.testing.assert_array_equal(seen, whole[:position])
    np.testing.assert_array_equal(order.take(0, position), whole[:position])


def test_going_back_gives_the_same():
    order = Order(np.array([0.5, 1.5, 1.0]), seed=3)
    first = order.take(0, 20)
    order.take(900, 5)
    np.testing.assert_array_equal(order.take(0, 20), first)


def test_repeats_mix_data_sets_by_weight_and_favour_visible_keypoints():
    dataset = np.array([0, 0, 0, 1, 1])
    visible = np.array([19, 4, 19, 0, 19])
    amount = repeats(dataset, visible, [1.0, 2.0], power=0.5)
    assert amount[dataset == 0].mean() == pytest.approx(1)
    assert amount[dataset == 1].mean() == pytest.approx(2)
    assert amount[0] / amount[1] == pytest.approx((20 / 5) ** 0.5)
    assert amount[3] > 0
    np.testing.assert_allclose(repeats(dataset, visible, [1, 2], power=0), [1, 1, 1, 2, 2])


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, np.nan], [1.0] * 3])
def test_weights_that_cannot_be_are_told(weights):
    with pytest.raises(ValueError, match="weights"):
        repeats(np.array([0, 1]), np.array([3, 4]), weights)


def test_a_power_below_zero_and_an_empty_epoch_are_told():
    with pytest.raises(ValueError, match="at least 0"):
        repeats(np.array([0]), np.array([3]), [1.0], power=-1)
    with pytest.raises(ValueError, match="larger weights"):
        Order(np.array([0.1, 0.2]), seed=0)
