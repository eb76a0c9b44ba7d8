"""The definition of WebBody-Test's queries and gallery, on whatever samples there are."""

from collections import Counter
from hashlib import blake2b

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.query_gallery import GALLERY, NEITHER, QUERY, roles

IDS = st.lists(st.integers(0, 2**48 - 1), min_size=1, max_size=6, unique=True)
COUNTS = st.lists(st.integers(0, 60), min_size=6, max_size=6)


def samples(ids, counts):
    pairs = [(f"{person:x}{n:04x}", person) for person, c in zip(ids, counts) for n in range(c)]  # noqa: B905
    return [key for key, _ in pairs], np.array([person for _, person in pairs], np.int64)


def by_the_definition(keys, person):
    """The same, written down person by person."""
    out = dict.fromkeys(keys, NEITHER)
    for one in set(person.tolist()):
        own = [key for key, of in zip(keys, person.tolist(), strict=True) if of == one]
        own.sort(key=lambda key: blake2b(key.encode(), digest_size=10).digest())
        for place, key in enumerate(own[:25]):
            out[key] = QUERY if place < min(25, len(own)) // 5 else GALLERY
    return [out[key] for key in keys]


@given(IDS, COUNTS)
def test_it_is_as_defined(ids, counts):
    keys, person = samples(ids, counts)
    assert roles(keys, person).tolist() == by_the_definition(keys, person)


@given(IDS, COUNTS)
def test_every_query_has_a_mate_in_the_gallery(ids, counts):
    keys, person = samples(ids, counts)
    role = roles(keys, person)
    queries = Counter(person[role == QUERY].tolist())
    gallery = Counter(person[role == GALLERY].tolist())
    assert all(gallery[one] >= 4 * count for one, count in queries.items())
    assert all((queries + gallery)[one] <= 25 for one in ids)
    # Test people have 31 images at least, so each has all five queries.
    many = [one for one, count in zip(ids, counts) if count > 30]  # noqa: B905
    assert all((queries[one], gallery[one]) == (5, 20) for one in many)


@given(IDS, COUNTS, st.randoms(use_true_random=False))
def test_neither_the_order_nor_the_ids_matter(ids, counts, random):
    keys, person = samples(ids, counts)
    before = dict(zip(keys, roles(keys, person).tolist(), strict=True))
    order = list(range(len(keys)))
    random.shuffle(order)
    again = roles([keys[i] for i in order], 2**48 - person[order])
    assert {keys[i]: role for i, role in zip(order, again.tolist(), strict=True)} == before


@given(st.integers(6, 60), st.data())
def test_a_sample_that_goes_moves_one_at_each_border(count, data):
    keys, person = samples([7], [count])
    before = dict(zip(keys, roles(keys, person).tolist(), strict=True))
    gone = data.draw(st.integers(0, count - 1))
    left = keys[:gone] + keys[gone + 1 :]
    after = dict(zip(left, roles(left, person[1:]).tolist(), strict=True))
    assert sum(before[key] != role for key, role in after.items()) <= 2


def test_of_nothing():
    assert roles([], np.zeros(0, np.int64)).tolist() == []
