"""The feature file that is made part by part: killed, resumed, changed."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_samples import members, tiny_model

from model.features.extract import Extractor
from model.features.feature_file import BadFeatures, info_of, read_feature
from model.features.resumable import ExtractionUnit, OtherFeatures, make_features
from model.features.samples import Sample, read_shard
from tests.written_shards import write_shard
from webbody.storage import Folder

INFO = {"checkpoint": "tiny", "sha256": "12", "arguments": {"sizes": [1, 2]}, "flip": False}


@pytest.fixture(scope="module")
def extract():
    return Extractor(tiny_model(), batch=2)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return [
        write_shard(folder / f"{n}.tar", *[members(f"{n}k{i}", 10 * n + i) for i in range(3)])
        for n in range(3)
    ]


class Killed(BaseException):
    """What no handler of errors sees."""


@pytest.fixture
def parts(shards):
    """Parts that note when they are read, and die when told."""
    read, deadly = [], set()

    def part(path):
        def samples():
            read.append(path.stem)
            with path.open("rb") as file:
                for sample in read_shard(file, path.name, 384):
                    if sample.key in deadly:
                        raise Killed
                    yield sample

        return ExtractionUnit(f"part-{path.stem}", samples)

    class Parts(list):
        pass

    out = Parts(part(path) for path in shards)
    out.read, out.deadly = read, deadly
    return out


def make(parts, extract, folder, info=INFO, **options):
    options = {"feature_dim": 256, **options}
    return make_features(parts, extract, Folder(folder), "f.parquet", info, **options)


def test_the_file_has_a_row_for_each_sample_and_says_how_it_was_made(parts, extract, tmp_path):
    seen = []
    made = make(parts, extract, tmp_path, progress=lambda *now: seen.append(now))
    assert (made.features, made.outcomes, made.made, made.before) == (9, {}, 3, 0)
    table = pq.read_table(tmp_path / "f.parquet")
    keys = [f"{n}k{i}" for n in range(3) for i in range(3)]
    assert table["key"].to_pylist() == keys
    assert table["person"].to_pylist() == [(10 * n + i) % 3 for n in range(3) for i in range(3)]
    assert table["source"].to_pylist() == [f"{n}.tar" for n in range(3) for _ in range(3)]
    assert set(table["split"].to_pylist()) == {"train"}
    features = np.array(table["feature"].to_pylist())
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), table["norm"], rtol=1e-5)
    assert {key: info_of(table.schema)[key] for key in INFO} == INFO
    assert [path.name for path in tmp_path.iterdir()] == ["f.parquet"]
    assert seen[-1] == (9, 3)


def test_a_killed_run_goes_on_where_it_stopped_and_gives_the_same_bytes(parts, extract, tmp_path):
    make(parts, extract, tmp_path / "whole")
    parts.read.clear()
    parts.deadly.add("2k1")
    with pytest.raises(Killed):
        make(parts, extract, tmp_path / "killed")
    assert not (tmp_path / "killed/f.parquet").exists()
    assert parts.read == ["0", "1", "2"]
    parts.deadly.clear()
    made = make(parts, extract, tmp_path / "killed")
    assert parts.read == ["0", "1", "2", "2"]  # nothing committed was made again
    assert (made.made, made.before) == (1, 2)
    whole, resumed = (tmp_path / name / "f.parquet" for name in ("whole", "killed"))
    assert whole.read_bytes() == resumed.read_bytes()
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["f.parquet"]


def test_killed_while_the_parts_are_joined(parts, extract, tmp_path, monkeypatch):
    from model.features import resumable

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(resumable, "_join", killed)
        with pytest.raises(Killed):
            make(parts, extract, tmp_path)
    parts.read.clear()
    assert make(parts, extract, tmp_path).before == 3
    assert parts.read == []


def test_the_same_call_again_does_nothing(parts, extract, tmp_path):
    first = make(parts, extract, tmp_path)
    parts.read.clear()
    (tmp_path / "f.parquet.parts").mkdir()  # as a kill after the last rename leaves it
    again = make(parts, extract, tmp_path, info=INFO | {"checkpoint": "elsewhere"})
    assert parts.read == [] and (again.made, again.before) == (0, 3)
    assert again.features == first.features
    assert not (tmp_path / "f.parquet.parts").exists()


def test_a_part_of_other_content_is_made(parts, extract, tmp_path):
    make(parts, extract, tmp_path)
    changed = [*parts[:2], ExtractionUnit("changed", parts[2].samples)]
    parts.deadly.add("2k0")
    with pytest.raises(Killed):
        make(changed, extract, tmp_path)
    assert pq.read_metadata(tmp_path / "f.parquet").num_rows == 9  # stays until it is replaced
    parts.deadly.clear()
    assert make(changed, extract, tmp_path).before == 2


def test_features_made_in_another_way_are_never_mixed(parts, extract, tmp_path):
    other = INFO | {"sha256": "34", "flip": True}
    parts.deadly.add("1k0")
    with pytest.raises(Killed):
        make(parts, extract, tmp_path)
    parts.deadly.clear()
    with pytest.raises(OtherFeatures, match="other sha256, flip"):
        make(parts, extract, tmp_path, info=other)
    make(parts, extract, tmp_path)  # what was committed is still there
    with pytest.raises(OtherFeatures, match="sha256"):
        make(parts, extract, tmp_path, info=other)
    assert make(parts, extract, tmp_path, info=other, replace=True).before == 0
    assert info_of(pq.read_schema(tmp_path / "f.parquet"))["flip"] is True


def test_replacing_is_resumed_too(parts, extract, tmp_path):
    make(parts, extract, tmp_path)
    other = INFO | {"flip": True}
    parts.deadly.add("1k0")
    with pytest.raises(Killed):
        make(parts, extract, tmp_path, info=other, replace=True)
    parts.deadly.clear()
    assert make(parts, extract, tmp_path, info=other, replace=True).before == 1


def test_another_file_is_not_overwritten(parts, extract, tmp_path):
    (tmp_path / "f.parquet").write_bytes(b"something")
    with pytest.raises(OtherFeatures, match="something else"):
        make(parts, extract, tmp_path)
    assert (tmp_path / "f.parquet").read_bytes() == b"something"


def test_pictures_without_features_are_rows(extract, parts, tmp_path):
    bad = ExtractionUnit("bad", lambda: [Sample("s", "cut", outcome="image:truncated")])
    made = make([*parts[:1], bad], extract, tmp_path)
    assert (made.features, made.outcomes) == (3, {"image:truncated": 1})
    row = pq.read_table(tmp_path / "f.parquet").to_pylist()[-1]
    assert row["key"] == "cut" and row["outcome"] == "image:truncated"
    assert row["feature"] is row["norm"] is row["visible"] is row["person"] is None


def test_halves(parts, extract, tmp_path):
    make(parts, extract, tmp_path, dtype="float16")
    make(parts, extract, tmp_path / "full")
    halves = pq.read_table(tmp_path / "f.parquet")
    assert str(halves.schema.field("feature").type) == "fixed_size_list<element: halffloat>[256]"
    full = pq.read_table(tmp_path / "full/f.parquet")
    np.testing.assert_allclose(
        np.array(halves["feature"].to_pylist(), np.float32),
        np.array(full["feature"].to_pylist()), rtol=1e-3, atol=1e-3,
    )  # fmt: skip

    def huge(samples):
        for block in extract(samples):
            block.features_BF[:] = 1e6
            yield block

    with pytest.raises(BadFeatures, match="float32"):
        make(parts, huge, tmp_path / "huge", dtype="float16")


def test_features_that_are_no_numbers_are_not_written(parts, extract, tmp_path):
    def broken(samples):
        for block in extract(samples):
            block.features_BF[1, 3] = np.nan
            yield block

    with pytest.raises(BadFeatures, match="features are no numbers, the first is that of"):
        make(parts, broken, tmp_path)
    assert not (tmp_path / "f.parquet").exists()


def test_one_row_is_read_by_its_key(parts, extract, tmp_path):
    make(parts, extract, tmp_path)
    path = str(tmp_path / "f.parquet")
    found, info = read_feature(path, "1k2")
    row = pq.read_table(path).to_pylist()[5]
    np.testing.assert_array_equal(found.feature, np.array(row["feature"], np.float32))
    assert found.visible == row["visible"] and not found.whole and info["sha256"] == "12"
    with pytest.raises(BadFeatures, match="no rows with the key nobody"):
        read_feature(path, "nobody")
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(BadFeatures, match="no Parquet file"):
        read_feature(str(tmp_path / "x.parquet"), "a")
