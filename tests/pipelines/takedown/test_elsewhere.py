"""Galleries and files of features without those who were removed."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.identity.gallery_file import read_gallery, write_gallery
from pipelines.takedown.alike import FoundAlike
from pipelines.takedown.elsewhere import without_removed, without_similar
from webbody.errors import WebbodyError
from webbody.removals import RemovalLists, Removals


def test_a_person_leaves_a_gallery(tmp_path):
    ann, bob = np.eye(8)[:2] * 30
    write_gallery(
        tmp_path / "g.parquet", "g", "abc", {"ann": ann, "bob": bob}, {"ann": 2, "bob": 1}
    )
    found = FoundAlike({}, {}, 0.7, np.eye(8, dtype=np.float32)[0], "abc")
    assert without_similar(tmp_path / "g.parquet", found) == 1
    gallery = read_gallery(tmp_path / "g.parquet")
    assert gallery.features[:, 1].tolist() == [30]
    assert (gallery.name, gallery.embedder) == ("g", "abc")
    assert without_similar(tmp_path / "g.parquet", found) == 0
    other = FoundAlike({}, {}, 0.7, np.eye(8, dtype=np.float32)[0], "another")
    with pytest.raises(WebbodyError, match="make the gallery again"):
        without_similar(tmp_path / "g.parquet", other)


def test_samples_leave_a_file_of_features(tmp_path):
    columns = {"key": ["a", "b", "c"], "person": [1, 2, 3], "feature": [[1.0], [2.0], [3.0]]}
    pq.write_table(pa.table(columns), tmp_path / "f.parquet")
    listed = Removals().plus(datetime.date(2026, 1, 1), "request", [("sample", "a"), ("person", 3)])
    assert without_removed(tmp_path / "f.parquet", RemovalLists((listed,))) == 2
    assert pq.read_table(tmp_path / "f.parquet")["key"].to_pylist() == ["b"]
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(WebbodyError, match="is no file of features"):
        without_removed(tmp_path / "x.parquet", RemovalLists((listed,)))
