"""People of two versions matched by their samples, against made-up histories."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.statistics.matching import LabelledSamples, matched


def labels(people, splits=None):
    """people: id -> keys; splits: id -> split, train without it."""
    rows = [(key, person) for person, keys in people.items() for key in keys]
    split = [(splits or {}).get(person, "train") for _, person in rows]
    return LabelledSamples.sorted(
        np.array([key for key, _ in rows], "S20"),
        np.array([person for _, person in rows], np.int64),
        np.array(split, "S10"),
    )


BEFORE = {1: "abc", 2: "def", 3: "ghij", 4: "kl"}


def test_the_same():
    found = matched(labels(BEFORE), labels(BEFORE))
    assert found["samples"] == {
        "stayed": 12, "came": 0, "went": 0, "other split": 0, "other person": 0,
    }  # fmt: skip
    assert found["people"] == {
        "stayed": 4, "with the same id": 4, "came": 0, "went": 0, "merged": 0, "split": 0,
        "other split": 0,
    }  # fmt: skip


def test_everything_that_can_happen():
    now = {
        1: "abcde",  # 2 was merged into 1, and lost a sample
        3: "gh",  # 3 was split: i and j are 5's now
        5: "ij",
        9: "xy",  # new
        40: "l",  # 4 under another id, with one sample less, and in another split
    }
    found = matched(labels(BEFORE), labels(now, {40: "test"}))
    assert found["people"] == {
        "stayed": 3, "with the same id": 2, "came": 1, "went": 0, "merged": 1, "split": 1,
        "other split": 1,
    }  # fmt: skip
    assert found["samples"] == {
        "stayed": 10, "came": 2, "went": 2, "other split": 1, "other person": 4,
    }  # fmt: skip


def test_nothing_in_common():
    found = matched(labels({1: "ab"}), labels({1: "cd", 2: "e"}))
    assert found["people"]["stayed"] == found["people"]["merged"] == 0
    assert (found["people"]["came"], found["people"]["went"]) == (2, 1)


LABELS = st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(0, 4))


@given(LABELS, LABELS)
def test_everybody_is_counted_once(before, now):
    sides = []
    for some in (before, now):
        people = {}
        for key, person in some.items():
            people.setdefault(person, []).append(key)
        sides.append(labels(people))
    found = matched(*sides)
    people, samples = found["people"], found["samples"]
    assert people["stayed"] + people["went"] + people["merged"] == len(set(before.values()))
    assert people["stayed"] + people["came"] + people["split"] == len(set(now.values()))
    assert samples["stayed"] == len(before.keys() & now.keys())
    assert samples["stayed"] + samples["came"] == len(now)
    assert samples["stayed"] + samples["went"] == len(before)
    other = matched(*sides[::-1])["people"]
    assert other["stayed"] == people["stayed"]
    assert (other["merged"], other["split"]) == (people["split"], people["merged"])
