"""People drawn for validation."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sampling.selection import draw
from pipelines.sampling.validation import draw_validation

PEOPLE = st.dictionaries(st.integers(0, 2**48 - 1), st.integers(1, 4), max_size=40)


def drawn(images, count, seed):
    people = np.array(list(images), np.int64)
    counts = np.array(list(images.values()), np.int64)
    return set(draw_validation(people, counts, count, seed).tolist())


@given(PEOPLE, st.integers(0, 20), st.integers(0, 3))
def test_whole_people_who_can_be_found(images, count, seed):
    found = drawn(images, count, seed)
    findable = {person for person, n in images.items() if n > 1}
    assert found <= findable and len(found) == min(count, len(findable))


@given(PEOPLE, st.integers(0, 20), st.integers(0, 2**48 - 1))
def test_a_person_who_comes_or_goes_changes_one_place(images, count, person):
    without = {one: n for one, n in images.items() if one != person}
    before, after = drawn(without, count, 0), drawn({**without, person: 5}, count, 0)
    assert len(before - after) <= 1 and after - before <= {person}


def test_the_draw_is_independent_of_that_of_the_test_people():
    people, images = np.arange(1000), np.full(1000, 9)
    validation = set(draw_validation(people, images, 100, 0).tolist())
    assert 2 <= len(validation & set(draw(people, 100, 0).tolist())) <= 25
    assert validation != set(draw_validation(people, images, 100, 1).tolist())
