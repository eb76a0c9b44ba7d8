import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base import row_lookup
from pipelines.base.row_lookup import LOOKUP, RowLookup, shards_with
from webbody.storage import Folder


def written(path, shards):
    """A folder with the lookup of shards: name -> texts."""
    folder = Folder(path)
    with RowLookup() as lookup, folder.write(f"plan/{LOOKUP}") as file:
        for name, texts in shards.items():
            lookup.add(name, pa.chunked_array([pa.array(texts, pa.string())]))
        lookup.write(file)
    return folder


@given(st.dictionaries(st.text("abc", min_size=1), st.lists(st.text(), max_size=8), max_size=6))
def test_every_value_leads_to_its_shards(tmp_path_factory, shards):
    folder = written(tmp_path_factory.mktemp("lookup"), shards)
    for value in {text for texts in shards.values() for text in texts}:
        found = shards_with(folder, "plan", [value])
        assert found == sorted(found)
        assert set(found) >= {name for name, texts in shards.items() if value in texts}


def test_what_is_not_there_leads_nowhere(tmp_path):
    folder = written(tmp_path, {"ab": ["one", "two"], "cd": ["three"]})
    assert shards_with(folder, "plan", ["four"]) == []
    assert shards_with(folder, "plan", ["one", "three", "four"]) == ["ab", "cd"]


def test_no_table(tmp_path):
    assert shards_with(Folder(tmp_path), "plan", ["one"]) is None


@pytest.mark.parametrize("damage", ["empty", "cut", "another", "flipped"])
def test_a_damaged_table_is_as_good_as_none(tmp_path, damage):
    folder = written(tmp_path, {"ab": ["one", "two"], "cd": ["three"]})
    path = tmp_path / "plan" / LOOKUP
    content = path.read_bytes()
    if damage == "another":
        pq.write_table(pa.table({"hash": ["x"]}), path)
    else:
        broken = {"empty": b"", "cut": content[:-9], "flipped": b"PAR1" + bytes(len(content) - 4)}
        path.write_bytes(broken[damage])
    assert shards_with(folder, "plan", ["one"]) is None


def test_few_shards_of_many_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(row_lookup, "_GROUP", 512)
    rng = np.random.default_rng(0)
    shards = {
        f"{n:04x}": [f"https://images.example/{v}" for v in rng.integers(0, 2**40, 200)]
        for n in range(100)
    }
    folder = written(tmp_path, shards)
    found = [shards_with(folder, "plan", [texts[7]]) for texts in shards.values()]
    assert all(name in one for name, one in zip(shards, found, strict=True))
    assert sum(map(len, found)) <= 101  # hashes of 20,000 texts hardly meet


@pytest.mark.parametrize("value", ["", "\ud800", "ü" * 5000])
def test_odd_texts_have_a_hash(value):
    assert 0 <= row_lookup._hash(value) < 2**32
