"""4M and 12M: the people with most images, and a share of them by keyed hashes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sampling.subsets import SUBSETS, subset

PEOPLE = st.dictionaries(st.integers(0, 2**48 - 1), st.integers(1, 9), max_size=80)
SEEDS = st.integers(0, 3)


def taken(images, name, seed=0):
    people = np.array(list(images), np.int64)
    counts = np.array(list(images.values()), np.int64)
    return set(subset(people, counts, SUBSETS[name], seed).tolist())


@given(PEOPLE, SEEDS)
def test_the_rule(images, seed):
    for name, percent in (("4m", 25), ("12m", 70)):
        found = taken(images, name, seed)
        top = len(images) * 48 // 100
        assert len(found) == top * percent // 100 and found <= set(images)
        # Nobody who is taken has fewer images than the last of the top has.
        least = sorted(images.values(), reverse=True)[:top]
        assert all(images[person] >= least[-1] for person in found)
    assert taken(images, "4m", seed) <= taken(images, "12m", seed)


@given(PEOPLE, st.integers(0, 2**48 - 1), st.integers(1, 9), SEEDS)
def test_whoever_comes_or_goes_changes_three_others_at_most(images, person, count, seed):
    without = {one: n for one, n in images.items() if one != person}
    for name in SUBSETS:
        before, after = taken(without, name, seed), taken({**without, person: count}, name, seed)
        assert len((before ^ after) - {person}) <= 3


@given(PEOPLE, st.randoms(use_true_random=False))
def test_the_order_of_the_table_does_not_matter(images, random):
    shuffled = list(images.items())
    random.shuffle(shuffled)
    assert taken(dict(shuffled), "12m") == taken(images, "12m")


def test_people_with_many_images_and_nobody_else():
    images = {1000 + n: 50 for n in range(48)} | dict.fromkeys(range(52), 2)
    assert taken(images, "12m") <= set(range(1000, 1048)) and len(taken(images, "12m")) == 33
    draws = [frozenset(taken(images, "4m", seed)) for seed in range(30)]
    assert len(set(draws)) > 25
    # Each has the same chance: 12 of 48.
    often = np.bincount([person - 1000 for draw in draws for person in draw], minlength=48)
    assert often.sum() == 30 * 12 and often.mean() == pytest.approx(7.5) and often.max() < 20
