"""Person ids: whoever stays keeps his, whatever rows come and go."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity.person_ids import PERSON_IDS, PersonIds
from webbody.errors import WebbodyError
from webbody.storage import Folder

KEY = b"a secret"


def arrays(people):
    """samples (N,) and group (N,) of a list of people, each a set of numbers."""
    pairs = [(f"{sample:020x}", i) for i, own in enumerate(people) for sample in sorted(own)]
    return np.array([p[0] for p in pairs], "S20"), np.array([p[1] for p in pairs], np.int64)


def step(known, people, key=KEY):
    """The ids of the people, and what is remembered after a complete build of them."""
    samples, group = arrays(people)
    ids = known.assign(samples, group, key)
    return ids.tolist(), known.after(samples, ids[group])


def test_a_merger_keeps_the_larger_ones_id_and_retires_the_other():
    (ann, anna), known = step(PersonIds(), [{1, 2, 3}, {4, 5}])
    (both,), known = step(known, [{1, 2, 3, 4, 5}])
    assert both == ann
    assert known.retired == {anna: ann}
    (left, right), known = step(known, [{1, 2, 3}, {4, 5}])  # and they fall apart again
    assert left == ann
    assert right not in (ann, anna)


def test_the_largest_part_keeps_the_id():
    (ann,), known = step(PersonIds(), [{1, 2, 3, 4, 5}])
    (small, large), known = step(known, [{1, 2}, {3, 4, 5, 6}])
    assert large == ann
    assert small != ann
    assert known.retired == {}


def test_somebody_who_comes_back_is_the_same():
    (ann, bob), known = step(PersonIds(), [{1, 2}, {3, 4}])
    (alone,), known = step(known, [{3, 4}])
    assert alone == bob
    (again, bob2), _ = step(known, [{2, 9}, {3, 4}])
    assert (again, bob2) == (ann, bob)


def test_the_absent_samples_of_a_retired_id_follow_it():
    (ann, bob), known = step(PersonIds(), [{1, 2, 3}, {4, 5}])
    (_,), known = step(known, [{1, 2, 3, 4}])  # 5 is not there
    (third,), _ = step(known, [{5}])
    assert third == ann  # for nobody else of that id is there; bob's never comes back
    assert third != bob


def test_ids_say_nothing_and_depend_on_the_secret():
    people = [{1, 2}, {3, 4}, {5, 6}]
    one, _ = step(PersonIds(), people)
    other, _ = step(PersonIds(), people, b"another")
    assert not set(one) & set(other)
    assert all(0 <= number < 2**48 for number in one + other)
    assert one == step(PersonIds(), people)[0]


people_strategy = st.lists(st.integers(0, 5), min_size=1, max_size=24).map(
    lambda owner: [
        {sample for sample, one in enumerate(owner) if one == person}
        for person in sorted(set(owner))
    ]
)


@settings(max_examples=200)
@given(st.lists(people_strategy, min_size=2, max_size=5), st.randoms())
def test_any_history(history, random):
    known = PersonIds()
    retired: set[int] = set()
    for people in history:
        ids, after = step(known, people)
        assert len(set(ids)) == len(ids)
        assert not set(ids) & retired
        # The same again from what is remembered, in any order.
        order = random.sample(range(len(people)), len(people))
        again, settled = step(after, [people[i] for i in order])
        assert again == [ids[i] for i in order]
        assert settled.table().equals(after.table())
        # Who is the whole of somebody known, and nobody else, has his id.
        for number in set(known.person.tolist()):
            own = {int(key, 16) for key in known.samples[known.person == number].tolist()}
            if own in people:
                assert ids[people.index(own)] == number
        retired |= set(after.retired)
        assert not retired & set(after.person.tolist())
        known = after


def test_it_is_kept_in_a_file(tmp_path):
    folder = Folder(tmp_path)
    assert PersonIds.read(folder).table().num_rows == 0
    _, known = step(PersonIds(), [{1, 2, 3}, {4, 5}])
    _, known = step(known, [{1, 2, 3, 4, 5}])
    pq.write_table(known.table(), tmp_path / PERSON_IDS)
    assert PersonIds.read(folder).table().equals(known.table())
    (tmp_path / PERSON_IDS).write_bytes(b"no parquet")
    with pytest.raises(WebbodyError, match="is damaged"):
        PersonIds.read(folder)
