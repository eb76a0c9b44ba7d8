"""A JSON array as a list: what `json` reads is read, and damage costs what is damaged."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.errors import WebbodyError
from webbody.manifest import Manifest, json_array
from webbody.manifest.layout import ManifestLayout
from webbody.manifest.source import KEPT

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = TEXT | st.none() | st.integers() | st.booleans()
OBJECTS = st.fixed_dictionaries(
    {"url": st.integers().map("http://a/{}".format), "name": TEXT},
    optional={"note": VALUES | st.lists(VALUES), "more": st.dictionaries(TEXT, VALUES)},
)


def rows_of(path, **layout) -> list[dict]:
    with Manifest(str(path), layout=ManifestLayout(**layout)) as manifest:
        return [row for batch in manifest.rows() for row in batch.to_pylist()]


@given(
    st.lists(OBJECTS, min_size=1, max_size=8),
    st.sampled_from([None, 1]),
    st.integers(1, 40),
    st.booleans(),
)
def test_objects_come_as_they_are_written(tmp_path_factory, objects, indent, block, ascii_only):
    path = tmp_path_factory.getbasetemp() / "array.json"
    path.write_text(json.dumps(objects, indent=indent, ensure_ascii=ascii_only), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "BLOCK", block)
        rows = rows_of(path, keep=("note",))
    assert [row["row"] for row in rows] == list(range(1, len(objects) + 1))
    for row, one in zip(rows, objects, strict=True):
        assert row["url"] == one["url"]
        assert row["name"] == (one["name"].strip(" \t\r\n") or None)
        note = one.get("note")
        if note is not None and not isinstance(note, str):
            assert json.loads(row[f"{KEPT}note"]) == note
        else:
            assert row[f"{KEPT}note"] == note


@given(st.integers(2, 9), st.data(), st.sampled_from([30, 1 << 20]))
def test_what_is_damaged_costs_itself_alone(tmp_path_factory, count, data, block):
    objects = [json.dumps({"url": f"http://a/{n}", "name": "Ann"}) for n in range(count)]
    bad = data.draw(st.sets(st.integers(0, count - 1), max_size=2))
    broken, other = ['{"url": }', '{"url" "x"}', '{"a": tru}', '{"url": nan}'], ["5", "null", '"x"']
    wrong = data.draw(st.sampled_from([broken, other]))
    for at in bad:
        objects[at] = data.draw(st.sampled_from(wrong))
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_text("[\n" + ",\n".join(objects) + "\n]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "BLOCK", block)
        rows = rows_of(path)
    assert len(rows) == count
    for at, row in enumerate(rows):
        assert (row["outcome"] is None) == (at not in bad)
        assert at in bad or row["url"] == f"http://a/{at}"


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        ('[{"url": "http://a/1", "name": "A"}', [None, "manifest:bad-row"]),
        ('[{"url": "http://a/1", "name": "A"}, {"url": "http', [None, "manifest:bad-row"]),
        ('[{"url": "http://a/1", "name": "A"}] x', [None, "manifest:bad-row"]),
        ('[{"url": "http://a/1", "name": "A"},]', [None]),
        ('\ufeff [{"url": "http://a/1", "name": "A"}]\n\n', [None]),
        ('[{"url": "http://a/\\ud800", "name": "A"}]', ["manifest:bad-row"]),
        ('[{"name": "A"}, []]', ["manifest:no-url", "manifest:bad-row"]),
        ("[" * 100_000, ["manifest:bad-row"]),
    ],
)
def test_ends_and_other_elements(tmp_path, text, outcomes):
    (tmp_path / "list.json").write_text(text, "utf-8")
    found = [row["outcome"] for row in rows_of(tmp_path / "list.json")]
    assert found[: len(outcomes)] == outcomes and len(found) <= len(outcomes) + 1


def test_an_empty_array_has_no_rows_and_an_ending_is_not_needed(tmp_path):
    (tmp_path / "list.json").write_text("[]")
    assert rows_of(tmp_path / "list.json") == []
    (tmp_path / "list").write_text('[{"url": "http://a/1", "name": "A"}]')
    assert [row["url"] for row in rows_of(tmp_path / "list")] == ["http://a/1"]
    with pytest.raises(WebbodyError, match="UTF-16"):
        (tmp_path / "wide.json").write_text('[{"url": "http://a/1", "name": "A"}]', "utf-16")
        rows_of(tmp_path / "wide.json")
