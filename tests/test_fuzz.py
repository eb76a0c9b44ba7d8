"""A short run of benchmarks/fuzz.py: every reader refuses what is damaged with its own error."""

from collections import Counter

import pytest

from benchmarks.fuzz import readers, verdicts

_COUNT = {"headers": 300, "images": 150, "tars": 300, "pairs": 300, "json": 300}
NAMES = [*_COUNT, *(f"manifests ({ending})" for ending in ("csv", "jsonl", "txt", "parquet"))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_damaged_inputs_are_accepted_or_refused(name, tmp_path):
    good, read, refused = readers(tmp_path)[name]
    for data in good:
        read(data)
    found = Counter()
    for verdict, _, trace in verdicts(name, good, read, refused, _COUNT.get(name, 40), seed=1):
        assert verdict in ("accepted", "refused"), trace
        found[verdict] += 1
    assert found["accepted"]


def test_every_reader_is_tried(tmp_path):
    assert list(readers(tmp_path)) == NAMES


def test_a_column_whose_name_is_no_text_is_refused(tmp_path):
    good, read, refused = readers(tmp_path)["manifests (parquet)"]
    with pytest.raises(refused, match="the name of a column is no UTF-8"):
        read(good[0].replace(b"sha256", b"sha25\xff"))
