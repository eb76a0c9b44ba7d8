"""What changed between two versions, compared with a plain computation on drawn people."""

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from made_up_release import sample

from webbody.releases import changes
from webbody.releases.format import SCHEMA

#: A version: of each sample (a number) its person, its split and a mark of its content.
VERSIONS = st.dictionaries(
    st.integers(0, 25),
    st.tuples(st.integers(1, 5), st.sampled_from(["train", "test"]), st.integers(0, 1)),
)


def table(version) -> pa.Table:
    rows = []
    for number, (person, split, mark) in version.items():
        row = sample(number, person, split)
        row["keypoints"][0] += mark
        rows.append(row)
    return pa.Table.from_pylist(rows, SCHEMA)


def of(version) -> changes.KnownSamples:
    return changes.KnownSamples.of([table(version)] if version else [])


@given(VERSIONS, VERSIONS)
def test_every_change_is_told_once(before, now):
    found = changes.changes(of(before), of(now))
    keys = {sample(number, 1)["key"]: number for number in range(26)}
    told = Counter(
        (row["change"], keys[row["key"]]) for row in found.to_pylist() if row["key"] is not None
    )
    common = set(before) & set(now)
    people = ({one[0] for one in before.values()}, {one[0] for one in now.values()})
    retired = {row["person_before"]: row["person"] for row in found.to_pylist()
               if row["change"] == "person-retired"}  # fmt: skip
    expected = Counter()
    expected.update(("added", n) for n in set(now) - set(before))
    expected.update(("removed", n) for n in set(before) - set(now))
    expected.update(("changed", n) for n in common if before[n][2] != now[n][2])
    expected.update(("moved", n) for n in common if before[n][1] != now[n][1])
    expected.update(
        ("relabelled", n) for n in common
        if before[n][0] != now[n][0] and retired.get(before[n][0]) != now[n][0]
    )  # fmt: skip
    assert told == expected
    assert set(retired) == people[0] - people[1]
    for gone, into in retired.items():
        went = Counter(now[n][0] for n in common if before[n][0] == gone)
        assert (into is None) == (not went)
        assert not went or went[into] == max(went.values())
    added = {row["person"] for row in found.to_pylist() if row["change"] == "person-added"}
    assert added == people[1] - people[0]
    counts = changes.summary(found)
    assert counts["added"] == len(set(now) - set(before))
    assert counts["person-merged"] == sum(into is not None for into in retired.values())


@given(VERSIONS)
def test_nothing_changed_where_nothing_did(version):
    assert len(changes.changes(of(version), of(version))) == 0


def test_the_headers_of_a_new_download_are_no_change():
    row = sample(1, 1)
    later = {**row, "etag": '"new"', "fetched": None, "opt_out": "x", "source": "other"}
    versions = [changes.KnownSamples.of([pa.Table.from_pylist([r], SCHEMA)]) for r in (row, later)]
    assert len(changes.changes(*versions)) == 0


@given(VERSIONS, VERSIONS, st.sets(st.integers(0, 25)), st.sets(st.integers(1, 5)))
def test_what_was_taken_down_has_left_and_is_not_named(before, now, samples, people):
    """A sample or a person of the version before that went so is counted, and nothing else."""
    keys = {sample(number, 1)["key"] for number in samples}
    whole = changes.changes(of(before), of(now))
    table = changes.without_taken_down(whole, keys, people)
    rows = table.to_pylist()
    assert not keys & {row["key"] for row in rows}
    for column in ("person", "person_before"):
        assert not people & {row[column] for row in rows}
    counts, had = changes.summary(table), changes.summary(whole)
    left = keys & {row["key"] for row in whole.to_pylist() if row["change"] == "removed"}
    assert counts["taken-down"] == len(left) == had["removed"] - counts["removed"]
    nameless = [row for row in rows if row["change"] in ("taken-down", "person-taken-down")]
    assert all(list(row.values())[1:] == [None] * 5 for row in nameless)
    # All others are as they were, but for ids of people who are gone.
    others = [row for row in whole.to_pylist() if row["key"] is not None and row["key"] not in keys]
    told = [row for row in rows if row["key"] is not None]
    same = ("change", "key", "split", "split_before")
    assert [[row[c] for c in same] for row in told] == [[row[c] for c in same] for row in others]
