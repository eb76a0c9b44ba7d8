"""Corrections as lines of files: nothing is lost, two editors never write the same file."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.corrections.correction import (
    Correction,
    CropReference,
    Verdict,
    digest,
    in_force,
    parse_correction,
)
from pipelines.corrections.journal import FOLDER, Journal, read_corrections
from webbody.errors import WebbodyError
from webbody.storage import Folder

fractions = st.floats(0, 1).map(lambda value: round(value, 4))
references = st.builds(
    CropReference,
    st.integers(0, 2**256 - 1).map("{:064x}".format),
    st.tuples(fractions, fractions, fractions, fractions),
)
people = st.lists(st.lists(references, max_size=2).map(tuple), max_size=2).map(tuple)
corrections = st.builds(
    Correction,
    id=st.integers(0, 2**64 - 1).map("{:016x}".format),
    number=st.integers(1, 10**9),
    when=st.just("2026-11-30T20:15:00Z"),
    who=st.text(max_size=20),
    verdict=st.sampled_from(Verdict),
    why=st.text(max_size=50),
    crops=st.lists(references, max_size=3).map(tuple),
    person=people,
    other=people,
)
PICTURE = CropReference("a" * 64, (0.0, 0.1, 0.5, 1.0))


@given(corrections)
def test_a_line_says_what_was_said(one):
    line = one.to_line()
    assert line.count(b"\n") == 1
    assert parse_correction(line) == one


@given(corrections, st.text(max_size=20), st.text(max_size=20))
def test_who_and_why_decide_nothing(one, who, why):
    said = replace(one, who=who, why=why)
    assert digest(in_force([one])) == digest(in_force([said]))


def test_two_editors_are_read_in_one_order(tmp_path):
    folder = Folder(tmp_path)
    ann, bob = Journal(folder, "ann"), Journal(folder, "bob")
    first = ann.say(Verdict.KEEP, crops=[PICTURE])
    second = bob.say(Verdict.BAD_PICTURE, crops=[PICTURE])
    third = ann.say(Verdict.RIGHT, crops=[PICTURE])
    assert read_corrections(folder) == (first, second, third)
    assert [one.number for one in (first, second, third)] == [1, 2, 3]
    assert len(folder.names(FOLDER)) == 2


def test_in_an_object_store(tmp_path):
    folder = Folder("memory://corrected")
    one = Journal(folder, "ann").say(Verdict.KEEP, crops=[PICTURE])
    assert read_corrections(folder) == (one,)


def test_what_is_taken_back_is_not_in_force(tmp_path):
    journal = Journal(Folder(tmp_path), "ann")
    one = journal.say(Verdict.BAD_PICTURE, crops=[PICTURE])
    praise = journal.say(Verdict.RIGHT, crops=[PICTURE])
    assert in_force(journal.read()) == (one,)
    journal.say(Verdict.UNDO, undoes=one.id)
    assert in_force(journal.read()) == ()
    assert digest(in_force(journal.read())) == ""
    assert praise in journal.read()


def test_a_copied_file_says_nothing_twice(tmp_path):
    folder = Folder(tmp_path)
    one = Journal(folder).say(Verdict.KEEP, crops=[PICTURE])
    (name,) = folder.names(FOLDER)
    folder.write_bytes(f"{FOLDER}/copy.jsonl", folder.read(f"{FOLDER}/{name}"))
    assert read_corrections(folder) == (one,)


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"null", b'{"id": "x"}', b"[" * 100_000, b"\xff", b'{"verdict": "keep"}'],
    ids=["cut", "list", "null", "id", "deep", "bytes", "verdict"],
)
def test_a_damaged_line_is_told(tmp_path, line):
    folder = Folder(tmp_path)
    one = Journal(folder).say(Verdict.KEEP, crops=[PICTURE])
    folder.write_bytes(f"{FOLDER}/b.jsonl", one.to_line() + line + b"\n")
    with pytest.raises(WebbodyError, match=r"b\.jsonl, line 2: is no correction"):
        read_corrections(folder)


def test_a_reason_that_is_too_long_is_refused_before_it_is_written(tmp_path):
    journal = Journal(Folder(tmp_path), "\udce4" * 500)
    with pytest.raises(WebbodyError, match="2,001 characters"):
        journal.say(Verdict.KEEP, crops=[PICTURE], why="x" * 2001)
    assert journal.read() == ()
    journal.say(Verdict.KEEP, crops=[PICTURE], why="x" * 2000)
    assert len(journal.read()) == 1


def test_what_was_taken_out_of_a_file_does_not_come_back(tmp_path):
    """A takedown rewrites files while a viewer that writes them runs."""
    folder = Folder(tmp_path)
    journal = Journal(folder, "ann")
    journal.say(Verdict.BAD_PICTURE, crops=[PICTURE], why="of somebody who wants to be forgotten")
    (name,) = folder.names(FOLDER)
    folder.write_bytes(f"{FOLDER}/{name}", b"")
    other = CropReference("b" * 64, (0.0, 0.0, 1.0, 1.0))
    journal.say(Verdict.KEEP, crops=[other])
    assert [one.crops for one in journal.read()] == [(other,)]
