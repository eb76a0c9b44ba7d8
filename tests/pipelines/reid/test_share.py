"""Whole people at random, so that what is imported is a share of the mix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.readers.image_table import ImageRow, image_table
from pipelines.reid.share import chosen_people, images_for_share


def tables(counts):
    """A table for each data set, of people with so many images."""
    return {
        name: image_table(
            ImageRow(f"{person}_{number}.jpg", person, "train")
            for person, images in enumerate(of)
            for number in range(images)
        )
        for name, of in counts.items()
    }


def total(counts, people):
    return sum(counts[name][person] for name, of in people.items() for person in of)


def test_the_share_is_of_the_whole_mix():
    assert images_for_share(0.1, 900) == 100
    assert images_for_share(0.5, 900) == 900
    # WebBody4M: 4.4 million images, and a tenth of the whole beside them.
    assert images_for_share(0.1, 4_400_000) == 488_889


COUNTS = st.dictionaries(
    st.sampled_from(["market1501", "prcc", "ltcc"]),
    st.lists(st.integers(1, 9), min_size=1, max_size=12),
    min_size=1,
)


@given(COUNTS, st.integers(0, 200), st.integers(0, 100), st.integers(0, 5))
def test_whole_people_come_as_close_as_they_can(counts, wanted, more, seed):
    data = tables(counts)
    people = chosen_people(data, wanted, seed)
    have = sum(map(sum, counts.values()))
    largest = max(max(of) for of in counts.values())
    assert abs(total(counts, people) - min(wanted, have)) <= largest / 2
    larger = chosen_people(data, wanted + more, seed)
    assert all(set(people[name]) <= set(larger[name]) for name in people)


def test_everybody_has_the_same_chance():
    counts = {"market1501": [1] * 300, "prcc": [1] * 100}
    taken = [chosen_people(tables(counts), 100, seed) for seed in range(40)]
    of_prcc = np.mean([len(people["prcc"]) for people in taken])
    assert of_prcc == pytest.approx(25, abs=2.5)
    assert len({tuple(people["prcc"]) for people in taken}) == 40
