"""What corrections mean for a build: contradictions, vanished pictures, names that moved."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.corrections.correction import Correction, CropReference, Verdict
from pipelines.corrections.effects import State, effects_of
from pipelines.corrections.locating import LocatedCrop, fractions, locate

NUMBERS = itertools.count(1)


def picture(number: int) -> CropReference:
    return CropReference(f"{number:064x}", (0.0, 0.0, 1.0, 1.0))


def said(verdict, *crops, person=(), other=(), **more) -> Correction:
    number = next(NUMBERS)
    return Correction(
        f"{number:016x}", number, "2026-11-30T20:15:00Z", "ann", verdict,
        crops=tuple(crops), person=person, other=other, **more,
    )  # fmt: skip


def located(**names):
    """name -> numbers of its pictures; a crop is called NAME/NUMBER."""
    out = {}
    for name, numbers in names.items():
        for number in numbers:
            place = LocatedCrop("0", f"{name}/{number}", f"{name}/{number}", name)
            out.setdefault(picture(number), []).append(place)
    return out


def named(*numbers):
    return (tuple(picture(number) for number in numbers),)


def states(effects):
    return [one.state for one in effects.each]


def test_pictures_go_and_stay():
    build = located(a=[1, 2, 3])
    effects = effects_of(
        [
            said(Verdict.NOT_THIS_PERSON, picture(1), person=named(2, 3)),
            said(Verdict.BAD_PICTURE, picture(2)),
            said(Verdict.KEEP, picture(3)),
        ],
        build,
    )
    adjust = effects.adjustments
    assert adjust.out == {"a/1": "corrected:not-this-person", "a/2": "corrected:bad-picture"}
    assert adjust.keep == {"0": {"a/3": "a"}}
    assert states(effects) == [State.HOLDS] * 3


def test_a_picture_under_two_names_is_judged_under_the_one_that_was_meant():
    build = located(a=[1, 2, 3], b=[1, 4, 5])
    one = said(Verdict.NOT_THIS_PERSON, picture(1), person=named(4, 5))
    assert set(effects_of([one], build).adjustments.out) == {"b/1"}
    # Nobody can tell any more who was meant: in doubt it stays out everywhere.
    lost = said(Verdict.NOT_THIS_PERSON, picture(1), person=named(8, 9))
    assert set(effects_of([lost], build).adjustments.out) == {"a/1", "b/1"}


def test_the_later_one_holds():
    build = located(a=[1, 2])
    early, late = said(Verdict.KEEP, picture(1)), said(Verdict.BAD_PICTURE, picture(1))
    effects = effects_of([early, late], build)
    assert states(effects) == [State.CONTRADICTED, State.HOLDS]
    assert effects.each[0].by == late.id
    assert not effects.adjustments.keep
    assert effects.table().to_pylist()[0]["by"] == late.id


def test_equal_bytes_are_kept_once():
    places = [LocatedCrop("0", crop, crop, "a") for crop in ("y-0", "x-0")]
    effects = effects_of([said(Verdict.KEEP, picture(1))], {picture(1): places})
    assert effects.adjustments.keep == {"0": {"x-0": "a"}}


def test_vanished_pictures():
    one = said(Verdict.BAD_PICTURE, picture(9))
    two = said(Verdict.ONE_PERSON, person=named(1), other=named(9))
    effects = effects_of([one, two], located(a=[1]))
    assert states(effects) == [State.GONE, State.GONE]
    assert effects.adjustments.one == frozenset()


def test_people_are_known_by_most_of_their_pictures():
    build = located(a=[1, 2], b=[3, 4, 1])
    effects = effects_of([said(Verdict.TWO_PEOPLE, person=named(1, 2), other=named(3, 4))], build)
    assert effects.adjustments.two == {("a", "b")}


def test_one_person_by_way_of_a_third_contradicts_two_people():
    build = located(a=[1], b=[2], c=[3])
    two = said(Verdict.TWO_PEOPLE, person=named(1), other=named(3))
    ab = said(Verdict.ONE_PERSON, person=named(1), other=named(2))
    bc = said(Verdict.ONE_PERSON, person=named(2), other=named(3))
    effects = effects_of([two, ab, bc], build)
    assert states(effects) == [State.CONTRADICTED, State.HOLDS, State.HOLDS]
    # Said last, it leaves of the two links the later one.
    late = said(Verdict.TWO_PEOPLE, person=named(1), other=named(3))
    effects = effects_of([ab, bc, late], build)
    assert states(effects) == [State.CONTRADICTED, State.HOLDS, State.HOLDS]
    assert effects.adjustments.one == {("b", "c")}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Verdict.ONE_PERSON, Verdict.TWO_PEOPLE]),
            st.integers(0, 5),
            st.integers(0, 5),
        ).filter(lambda one: one[1] != one[2]),
        max_size=12,
    )
)
def test_what_holds_never_contradicts_itself(links):
    build = located(**{f"n{number}": [number] for number in range(6)})
    corrections = [said(v, person=named(a), other=named(b)) for v, a, b in links]
    effects = effects_of(corrections, build)
    from pipelines.identity.adjustments import NameGroups

    groups = NameGroups(effects.adjustments.one)
    assert all(groups.root(a) != groups.root(b) for a, b in effects.adjustments.two)
    if corrections:  # the last word always holds
        assert effects.each[-1].state == State.HOLDS


def _build(boxes, sha256="a" * 64):
    tables = {
        "download": pa.table({"key": ["k"], "sha256": [sha256], "width": [200], "height": [100]}),
        "persons": pa.table(
            {
                "crop": [f"k-{i}" for i in range(len(boxes))],
                "key": pa.array(["k"] * len(boxes), pa.string()),
                "area": pa.array(boxes, pa.list_(pa.int32())),
            }
        ),
        "plan": pa.table({"key": ["k"], "name": ["ann"]}),
    }
    return lambda stage, shard, columns: tables[stage].select(columns)


@pytest.mark.parametrize(
    ("boxes", "found"),
    [
        ([[0, 0, 100, 100], [100, 0, 200, 100]], "k-0"),  # as it was
        ([[90, 0, 200, 100], [4, 3, 108, 97]], "k-1"),  # another detector's order and box
        ([[100, 0, 200, 100]], None),  # only somebody else is found now
        ([], None),
        ([None], None),  # a row without a person
    ],
)
def test_a_person_is_found_again_by_place(boxes, found):
    reference = CropReference("a" * 64, fractions([0, 0, 100, 100], 200, 100))
    places = locate([reference], ["0"], _build(boxes))
    assert [place.crop for place in places.get(reference, ())] == ([found] if found else [])
    assert all(place.name == "ann" for place in places.get(reference, ()))


def test_other_bytes_are_another_picture():
    reference = CropReference("b" * 64, (0.0, 0.0, 0.5, 1.0))
    assert not locate([reference], ["0"], _build([[0, 0, 100, 100]])).get(reference)


def test_what_is_said_twice_counts_once():
    twice = [said(Verdict.BAD_PICTURE, picture(1)) for _ in range(2)]
    effects = effects_of(twice, located(a=[1]))
    assert states(effects) == [State.HOLDS] * 2
    assert sum(one.rows for one in effects.each) == 1
