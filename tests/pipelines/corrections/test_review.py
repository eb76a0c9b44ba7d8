"""The review queue: likely errors come early, and what is said of the others is true."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.corrections.correction import Correction, CropReference, Verdict, detail_of
from pipelines.corrections.locating import LocatedCrop
from pipelines.corrections.review.estimate import estimate
from pipelines.corrections.review.judged import JudgedUnits, judged_units
from pipelines.corrections.review.people import pairs_to_review
from pipelines.corrections.review.queue import ReviewQueue
from pipelines.corrections.review.risk import risks
from pipelines.corrections.review.state import ReviewState
from pipelines.corrections.review.units import UNITS, all_units, units_of_shard
from pipelines.identity.features import to_column

NOISE = "cluster:noise"


def unit(number, outcome=None, cluster=0, to_person=0.9, nearest=0.9, crops=1, images=5, **more):
    rng = np.random.default_rng(number)
    return {
        "shard": "0",
        "name": "ann",
        "crops": [f"{number}-{i}" for i in range(crops)],
        "outcome": outcome,
        "by": None,
        "cluster": cluster,
        "draw": int(rng.integers(2**63)),
        "images": images,
        "person_images": 5,
        "to_person": to_person,
        "nearest": nearest,
        **more,
    }


def table(*units):
    return pa.Table.from_pylist(list(units), UNITS)


SURE = [unit(100 + i, to_person=0.9) for i in range(20)]
STRANGERS = [unit(200 + i, NOISE, -1, to_person=0.0, nearest=0.05, images=0) for i in range(20)]


def test_what_lies_near_the_border_comes_first():
    doubtful = [
        unit(1, to_person=0.45),
        unit(2, NOISE, -1, to_person=0.5, nearest=0.5, images=0),
        unit(3, NOISE, -1, to_person=0.0, nearest=0.6, images=0),  # like another one of the name
        unit(4, "cluster:minor", 1, to_person=0.1, crops=5),  # as many as the person has
    ]
    units = table(*SURE, *STRANGERS, *doubtful)
    queue = ReviewQueue.of(units)
    first = [units["crops"][row].as_py()[0] for row in list(queue.next())[:4]]
    assert set(first) == {"1-0", "2-0", "3-0", "4-0"}
    assert first[0] == "4-0"  # about five pictures
    chances = risks(units)
    assert ((chances >= 0) & (chances <= 1)).all()


def test_without_features_the_figures_of_the_build_serve():
    units = table(*SURE, *STRANGERS, unit(1, to_person=0.5, nearest=None), unit(2, to_person=None))
    assert risks(units)[-2] == pytest.approx(max(risks(units)[:-1]))
    assert 0 < risks(units)[-1] < 0.5  # of whom nothing is known


def test_every_fifth_is_drawn_at_random_and_each_comes_once():
    queue = ReviewQueue.of(table(*SURE, *STRANGERS))
    rows = list(queue.next(by_risk=10))
    assert sorted(rows) == list(range(40))
    assert rows[:10] == queue.by_priority[:10].tolist()
    assert rows[14] == next(row for row in queue.by_draw.tolist() if row not in rows[:14])
    # What was looked at is not shown again, and the rest goes on in the same order.
    assert list(queue.next(rows[:13], by_risk=10)) == rows[13:]


def test_the_random_order_depends_on_the_pictures_alone():
    first = ReviewQueue.of(table(*SURE))
    other = ReviewQueue.of(table(*reversed(SURE)))
    crops = [one.units["crops"].take(pa.array(one.by_draw)).to_pylist() for one in (first, other)]
    assert crops[0] == crops[1]


def test_nothing_to_review():
    for units in (UNITS.empty_table(), table(*SURE)):
        everything = JudgedUnits(frozenset(range(len(units))), frozenset())
        assert ReviewState(ReviewQueue.of(units), everything, []).next_units(5) == []
    queue = ReviewQueue.of(UNITS.empty_table())
    assert list(queue.next()) == []
    assert estimate(queue, (), ()).left == 0


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("looked_at", [40, 150])
def test_the_interval_covers_the_truth(share, looked_at):
    """Of 200 builds with random errors at least 95 % lie inside; the ends are not reached early."""
    rng = np.random.default_rng(round(1000 * share) + looked_at)
    covered = 0
    for _ in range(200):
        units = [unit(int(i), to_person=0.9) for i in rng.integers(2**62, size=300)]
        queue = ReviewQueue.of(table(*units))
        wrong = set(np.flatnonzero(rng.random(300) < share).tolist())
        done = list(queue.next(by_risk=20))[:looked_at]
        found = estimate(queue, done, wrong & set(done))
        left = len(wrong - set(done))
        covered += found.low <= left <= found.high
        assert found.low <= found.left <= found.high
        assert found.found == len(wrong & set(done))
    assert covered >= 190 - 4  # three deviations of a share of 95 %


@given(st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)))
def test_any_choice_of_reviews_has_bounds(reviewed, wrong):
    queue = ReviewQueue.of(table(*SURE, *STRANGERS))
    found = estimate(queue, reviewed, wrong)
    assert found.reviewed == len(reviewed) and found.found == len(reviewed & wrong)
    if found.left is not None:
        assert 0 <= found.low <= found.left <= found.high <= 40 - len(reviewed)
    if len(reviewed) == 40:
        assert (found.left, found.low, found.high) == (0, 0, 0)
    assert str(len(reviewed)) in found.sentence()


def said(verdict, number, crop, **more):
    reference = CropReference(f"{number:064x}", (0.0, 0.0, 1.0, 1.0))
    one = Correction(
        f"{number:016x}", number, "2026-11-30T20:15:00Z", "ann", verdict, crops=(reference,), **more
    )
    return one, {reference: [LocatedCrop("0", crop, crop, "ann")]}


def test_what_was_wrong_stays_wrong_once_it_is_corrected():
    bad, where_bad = said(Verdict.BAD_PICTURE, 1, "1-0")
    keep, where_keep = said(Verdict.KEEP, 2, "2-0")
    fine, where_fine = said(Verdict.RIGHT, 3, "3-0")
    agreed, where_agreed = said(Verdict.NOT_THIS_PERSON, 4, "4-0")
    corrections = [bad, keep, fine, agreed]
    located = where_bad | where_keep | where_fine | where_agreed
    before = table(unit(1), unit(2, NOISE, -1), unit(3), unit(4, NOISE, -1), unit(5))
    after = table(
        unit(1, "corrected:bad-picture", by=detail_of(bad.id)),
        unit(2, None, -1, by=detail_of(keep.id)),
        unit(3),
        unit(4, NOISE, -1),
        unit(5),
    )
    for units in (before, after):
        judged = judged_units(units, corrections, located)
        assert judged.reviewed == {0, 1, 2, 3}
        assert judged.wrong == {0, 1}
    undone = Correction("f" * 16, 9, "2026-11-30T20:15:00Z", "ann", Verdict.UNDO, undoes=bad.id)
    assert judged_units(before, [*corrections, undone], located).reviewed == {1, 2, 3}


def test_units_are_made_of_the_tables_of_a_build():
    """Two of the person, another cluster of two, noise; a crop beside the person's in its photo."""
    crops = ["a-0", "b-0", "c-0", "d-0", "e-0", "a-1"]
    vectors = np.eye(8)[[0, 0, 1, 1, 2, 3]] + 0.01 * np.arange(6)[:, None]
    tables = {
        "clusters": pa.table(
            {
                "crop": crops,
                "key": [crop[0] for crop in crops],
                "name": ["ann"] * 6,
                "cluster": pa.array([0, 0, 1, 1, -1, -1], pa.int32()),
                "outcome": [None, None, "cluster:minor", "cluster:minor", NOISE, NOISE],
                "similarity": pa.array([0.9, 0.9, 0.1, 0.1, 0.0, 0.0], pa.float32()),
            }
        ),
        "faces": pa.table({"crop": crops, "feature": to_column(vectors.astype(np.float32))}),
        "download": pa.table({"key": list("abcde"), "sha256": [c * 64 for c in "abcde"]}),
        "identities": pa.table(
            {
                "crop": ["a-0", "b-0"],
                "outcome": [None, "identity:duplicate-of:a-0"],
                "detail": [None, None],
            },
            pa.schema([("crop", pa.string()), ("outcome", pa.string()), ("detail", pa.string())]),
        ),
    }

    def read(stage, shard, columns):
        return tables[stage].select(columns) if stage in tables else None

    units = units_of_shard(read, "0").to_pylist()
    assert [one["crops"] for one in units] == [["a-1"], ["e-0"], ["a-0"], ["b-0"], ["c-0", "d-0"]]
    assert [one["outcome"] for one in units][2:] == [
        None, "identity:duplicate-of:a-0", "cluster:minor",
    ]  # fmt: skip
    by_crop = {one["crops"][0]: one for one in units}
    assert by_crop["a-0"]["to_person"] > 0.99  # to b alone, not to itself
    assert by_crop["a-1"]["nearest"] < 0.5  # its own photo does not count
    assert by_crop["c-0"]["nearest"] > 0.99
    assert len({one["draw"] for one in units}) == 5
    del tables["faces"]
    assert all_units(read, ["0"])["nearest"].null_count == 5
    del tables["clusters"]
    assert len(all_units(read, ["0"])) == 0


def test_pairs_of_people_near_a_threshold_come_first():
    pairs = [
        {"name_a": "a", "name_b": "b", "similarity": 0.95, "decision": "merged"},
        {"name_a": "c", "name_b": "d", "similarity": 0.71, "decision": "merged"},
        {"name_a": "e", "name_b": "f", "similarity": 0.61, "decision": "ambiguous"},
        {"name_a": "g", "name_b": "h", "similarity": 0.7, "decision": "one-person"},
        {"name_a": "e", "name_b": "lfw:0", "similarity": 0.9, "decision": "leak"},
    ]
    people = [{"names": [name], "images": 4} for name in "abcdef"]
    thresholds = {"similar": 0.7, "ambiguous": 0.6, "leak": 0.7}
    found = pairs_to_review(pairs, people, thresholds)
    assert [one.names for one in found][-2:] == [("a", "b"), ("e", "lfw:0")] or len(found) == 4
    assert {one.names for one in found[:2]} == {("c", "d"), ("e", "f")}
    assert ("c", "d") not in [
        one.names for one in pairs_to_review(pairs, people, thresholds, {("c", "d")})
    ]


def test_a_word_of_praise_takes_nothing_back():
    bad, where = said(Verdict.BAD_PICTURE, 1, "1-0")
    fine, again = said(Verdict.RIGHT, 1, "1-0")
    judged = judged_units(table(unit(1)), [bad, fine], where | again)
    assert judged.wrong == {0}
