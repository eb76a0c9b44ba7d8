"""A short run of benchmarks/fuzz.py: every reader refuses what is damaged with its own error."""

import os
import time
from collections import Counter

import pytest

from benchmarks.fuzz import damaged, readers, verdict, watched

_COUNT = {"headers": 300, "images": 150, "tars": 300, "pairs": 300, "tables": 150, "json": 300}
_LISTS = ("csv", "jsonl", "txt", "json", "parquet")
NAMES = [*_COUNT, *(f"manifests ({ending})" for ending in _LISTS)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_damaged_inputs_are_accepted_or_refused(name, tmp_path):
    good, read, refused = readers(tmp_path)[name]
    for data in good:
        read(data)
    found = Counter()
    for number in range(_COUNT.get(name, 40)):
        kind, trace = verdict(read, damaged(good, name, 1, number), refused)
        assert kind in ("accepted", "refused"), trace
        found[kind] += 1
    assert found["accepted"]


def test_every_reader_is_tried(tmp_path):
    assert list(readers(tmp_path)) == NAMES


def test_a_column_whose_name_is_no_text_is_refused(tmp_path):
    good, read, refused = readers(tmp_path)["manifests (parquet)"]
    with pytest.raises(refused, match="the name of a column is no UTF-8"):
        read(good[0].replace(b"sha256", b"sha25\xff"))


def odd_process(name, first, count, seed, tell):
    """Ends at the second input, hangs at the fourth."""
    for number in range(first, count):
        if number == 1:
            os._exit(7)
        if number == 3:
            time.sleep(600)
        tell.send(("accepted", name))


def test_an_input_that_hangs_or_ends_its_process_stops_no_other():
    found = list(watched("x", 6, target=odd_process, wall=0.5))
    assert found == [
        (0, "accepted", "x"),
        (1, "died", "exit code 7"),
        (2, "accepted", "x"),
        (3, "hung", ""),
        (4, "accepted", "x"),
        (5, "accepted", "x"),
    ]


def test_the_process_of_a_reader_tells_all_its_inputs():
    assert {kind for _, kind, _ in watched("json", 20)} <= {"accepted", "refused"}
