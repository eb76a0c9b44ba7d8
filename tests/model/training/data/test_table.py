"""The table of all samples: what it holds, when it is read anew, what is told of bad shards."""

import io
import json
import tarfile

import fsspec
import numpy as np
import pytest
from PIL import Image

from model.training.data import table as table_module
from model.training.data.scan import scan_shards
from model.training.data.table import read_table
from tests.model.training.small_shards import members, picture, write_shards
from tests.written_shards import write_shard
from webbody.errors import WebbodyError


def assert_equal(one, other):
    for name in ("shard", "offset", "length", "width", "height", "dataset", "person", "label"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.keypoints, other.keypoints)
    assert (one.shards, one.digest, one.classes) == (other.shards, other.digest, other.classes)


def test_the_table_of_a_build(demo):
    """Pictures, people and keypoints of every training sample, found again by offset."""
    table = read_table([str(demo.out)])
    index = json.loads((demo.out / "pack/index.json").read_text())["splits"]["train"]
    assert len(table) == index["samples"] and table.classes == index["people"]
    assert len(table.shards) == len(index["shards"])
    number = 0
    for shard in table.shards:
        with fsspec.open(shard) as file, tarfile.open(fileobj=file) as tar:
            for name in [name for name in tar.getnames() if name.endswith(".jpg")]:
                stem = name.removesuffix(".jpg")
                jpeg = tar.extractfile(name).read()
                file.seek(table.offset[number])
                assert file.read(table.length[number]) == jpeg
                size = Image.open(io.BytesIO(jpeg)).size
                assert (table.width[number], table.height[number]) == size
                assert table.person[number] == int(tar.extractfile(f"{stem}.cls").read())
                points = np.array(json.load(tar.extractfile(f"{stem}.json"))["keypoints"])
                points[:, :2] /= size[0]
                np.testing.assert_allclose(table.keypoints[number], points, atol=1e-6)
                number += 1
    assert number == len(table)
    assert (table.visible == (table.keypoints[..., 2] > 0).sum(1)).all() and table.visible.any()


def test_people_of_different_data_sets_are_different_classes(tmp_path):
    one, two = write_shards(tmp_path / "a", 6, 4), write_shards(tmp_path / "b", 3, 2)
    table = read_table([one, two])
    assert table.person.tolist() == [0, 0, 1, 1, 2, 2, 0, 0, 1]
    assert table.label.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4] and table.classes == 5
    assert table.dataset.tolist() == [0] * 6 + [1] * 3
    assert table.shard.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 3]
    assert table.visible.tolist() == [1, 2, 3, 4, 5, 6, 1, 2, 3]


def test_the_second_start_reads_no_shard(tmp_path, monkeypatch):
    data = write_shards(tmp_path / "a", 6, 2)
    first = read_table([data], tmp_path / "cache")
    assert_equal(first, read_table([data]))
    with monkeypatch.context() as patch:
        patch.setattr(table_module, "scan_shards", None)
        assert_equal(first, read_table([data], tmp_path / "cache"))
    write_shards(tmp_path / "a", 7, 2)
    assert len(read_table([data], tmp_path / "cache")) == 7


def test_a_damaged_cache_is_made_anew(tmp_path):
    data = write_shards(tmp_path / "a", 6, 2)
    first = read_table([data], tmp_path / "cache")
    (cached,) = (tmp_path / "cache").iterdir()
    whole = cached.read_bytes()
    for content in (b"", b"no table", whole[: len(whole) // 2]):
        cached.unlink()
        cached.write_bytes(content)
        assert_equal(first, read_table([data], tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == [cached]


def test_several_processes_give_the_same(tmp_path):
    data = write_shards(tmp_path, 6, 2)
    urls = read_table([data]).shards
    for one, two in zip(scan_shards(urls, 1), scan_shards(urls, 2), strict=True):
        assert one.equals(two)
    write_shard(tmp_path / "train-001.tar", {**members(0), "k0.cls": b"Ann"})
    with pytest.raises(WebbodyError, match=r"train-001.tar: k0"):
        list(scan_shards(urls, 2))


def test_shards_behind_a_url(tmp_path):
    data = write_shards(tmp_path, 4, 2)
    fsspec.filesystem("memory").put(data, "/table/a", recursive=True)
    remote, local = read_table(["memory://table/a"]), read_table([data])
    np.testing.assert_array_equal(remote.offset, local.offset)
    np.testing.assert_array_equal(remote.keypoints, local.keypoints)
    assert remote.digest == local.digest


def test_keypoints_are_fractions_of_the_padded_square(tmp_path):
    write_shard(tmp_path / "a.tar", members(18, size=(40, 20)), members(3, kind="PNG"))
    table = read_table([str(tmp_path)])
    assert (table.width[0], table.height[0]) == (40, 20)
    np.testing.assert_allclose(table.keypoints[0, :, :2], [[0.25, 0.625]] * 19)
    assert (table.keypoints[1, 4:] == 0).all() and (table.keypoints[1, :4] > 0).all()


def test_a_picture_that_cannot_be_opened_has_no_sides(tmp_path):
    write_shard(tmp_path / "a.tar", {**members(3), "k3.jpg": b"<html>"}, members(4))
    table = read_table([str(tmp_path)])
    assert table.width.tolist() == [0, 32] and (table.keypoints[0] == 0).all()


def test_people_may_have_any_numbers(tmp_path):
    """Negative ones, too: classes are counted from 0."""
    samples = [{**members(i), f"k{i}.cls": str(n).encode()} for i, n in enumerate((-7, 5, 1 << 40))]
    write_shard(tmp_path / "a.tar", *samples, members(3))
    table = read_table([str(tmp_path)])
    assert table.person.tolist() == [-7, 5, 1 << 40, 1]
    assert table.label.tolist() == [0, 2, 3, 1] and table.classes == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"k3.json": None}, "lacks the .jpg or the .json"),
        ({"k3.jpg": None}, "lacks the .jpg or the .json"),
        ({"k3.cls": None}, "no person's number"),
        ({"k3.cls": b"9" * 30}, "no person's number"),
        ({"k3.cls": b"Ann"}, "no number in .cls"),
        ({"k3.json": b"{}"}, "has no keypoints"),
        ({"k3.json": b'{"keypoints": [[1, 2, 3]]}'}, "not .19, 3."),
        ({"k3.json": json.dumps({"keypoints": [[np.nan] * 3] * 19}).encode()}, "no numbers"),
    ],
)
def test_wrong_samples_are_told_with_shard_and_key(tmp_path, change, told):
    sample = {k: v for k, v in {**members(3), **change}.items() if v is not None}
    write_shard(tmp_path / "a.tar", members(0), sample)
    with pytest.raises(WebbodyError, match=f"a.tar: k3 .*{told}"):
        read_table([str(tmp_path)], tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_shards_that_are_none_are_told(tmp_path):
    whole = write_shard(tmp_path / "a.tar", members(0), members(1)).read_bytes()
    for content in (b"no tar" * 200, whole[:1000], whole[: len(picture(0)) + 100]):
        (tmp_path / "a.tar").write_bytes(content)
        with pytest.raises(WebbodyError, match=r"a.tar is damaged or no tar"):
            read_table([str(tmp_path)])
    (tmp_path / "a.tar").write_bytes(whole)
    with tarfile.open(tmp_path / "a.tar") as tar:
        starts = [member.offset for member in tar]
    for cut in starts[1:]:  # between members tarfile misses nothing
        (tmp_path / "a.tar").write_bytes(whole[:cut])
        with pytest.raises(WebbodyError, match=r"a.tar is cut off|a.tar: k. is no sample"):
            read_table([str(tmp_path)])
    write_shard(tmp_path / "a.tar")
    with pytest.raises(WebbodyError, match=r"a.tar holds no samples"):
        read_table([str(tmp_path)])
