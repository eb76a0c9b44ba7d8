"""Samples of shards: what is read, and what is told of shards that are none."""

import io

import numpy as np
import pytest
from made_samples import members
from PIL import Image

from model.features.samples import read_shard
from tests.written_shards import write_shard
from webbody.errors import WebbodyError


def read(path, size=384):
    with path.open("rb") as file:
        return list(read_shard(file, "s.tar", size))


def test_samples_come_in_order_with_keypoints_as_fractions(tmp_path):
    made = [members(f"k{i}", i, ending=("jpg", "png")[i % 2]) for i in range(5)]
    samples = read(write_shard(tmp_path / "s.tar", *made))
    assert [sample.key for sample in samples] == ["k0", "k1", "k2", "k3", "k4"]
    for number, (sample, files) in enumerate(zip(samples, made, strict=True)):
        picture = next(data for name, data in files.items() if name[-3:] in ("jpg", "png"))
        np.testing.assert_array_equal(sample.image, Image.open(io.BytesIO(picture)))
        assert (sample.person, sample.split, sample.source) == (number % 3, "train", "s.tar")
        assert sample.keypoints.shape == (19, 3)
        seen = sample.keypoints[sample.keypoints[:, 2] > 0]
        assert ((seen[:, :2] >= 0.2) & (seen[:, :2] <= 0.8)).all()
        assert (sample.keypoints[sample.keypoints[:, 2] == 0] == 0).all()


def test_pictures_of_other_shapes_are_padded_with_their_keypoints(tmp_path):
    wide = members("wide", 0, size=(200, 100))
    sample = read(write_shard(tmp_path / "s.tar", wide), size=96)[0]
    assert sample.image.shape == (96, 96, 3)
    assert (sample.image[:23] == 255).all() and (sample.image[73:] == 255).all()
    seen = sample.keypoints[sample.keypoints[:, 2] > 0]
    # 20 % to 80 % of the height of the picture, which takes the middle half of the square.
    assert (seen[:, 1] >= 0.25 + 0.1 - 0.001).all() and (seen[:, 1] <= 0.75 - 0.1 + 0.001).all()


def test_keys_end_at_the_first_dot_and_keep_their_folder(tmp_path):
    samples = read(write_shard(tmp_path / "s.tar", members("a/b-1", 0), members("c/b-1", 1)))
    assert [sample.key for sample in samples] == ["a/b-1", "c/b-1"]


def test_hidden_members_are_none(tmp_path):
    written = members("./a/one", 0) | members("two", 1)
    with_twins = {}
    for name, data in written.items():
        folder, slash, base = name.rpartition("/")
        with_twins[f"{folder}{slash}._{base}"] = b"macOS"
        with_twins[name] = data
    with_twins["__MACOSX/two.jpg"] = b"macOS"
    write_shard(tmp_path / "a.tar", with_twins)
    assert [sample.key for sample in read(tmp_path / "a.tar")] == ["./a/one", "two"]


def test_a_damaged_picture_is_a_sample_with_an_outcome(tmp_path):
    cut, none = members("cut", 1), members("none", 2)
    cut["cut.jpg"] = cut["cut.jpg"][:2000]
    none["none.jpg"] = b"<html>"
    samples = read(write_shard(tmp_path / "s.tar", members("a", 0), cut, none, members("z", 3)))
    outcomes = [sample.outcome for sample in samples]
    assert outcomes == [None, "image:truncated", "image:not-an-image", None]
    assert samples[1].image is None and samples[1].person == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"a.json": None}, "lacks the .jpg or the .json"),
        ({"a.jpg": None}, "lacks the .jpg or the .json"),
        ({"a.json": b"{}"}, "has no keypoints"),
        ({"a.json": b'{"keypoints": [[1, 2, 3]]}'}, "not .19, 3."),
        ({"a.json": b"["}, "has no keypoints"),
        ({"a.cls": b"Ann"}, "no number in .cls"),
    ],
)
def test_wrong_members_are_told(tmp_path, change, told):
    sample = {**members("a", 0), **change}
    path = write_shard(tmp_path / "s.tar", {k: v for k, v in sample.items() if v is not None})
    with pytest.raises(WebbodyError, match=f"s.tar: a .*{told}"):
        read(path)


def test_shards_that_are_none_are_told(tmp_path):
    with pytest.raises(WebbodyError, match="holds no samples"):
        read(write_shard(tmp_path / "s.tar"))
    whole = write_shard(tmp_path / "t.tar", members("a", 0)).read_bytes()
    for content in (b"", b"no tar" * 200, whole[: len(whole) // 2]):
        path = tmp_path / "bad.tar"
        path.write_bytes(content)
        with pytest.raises(WebbodyError, match="damaged or no tar"):
            read(path)


def test_who_stops_early_waits_for_nothing(tmp_path):
    path = write_shard(tmp_path / "s.tar", *[members(f"k{i}", i) for i in range(6)])
    with path.open("rb") as file:
        samples = read_shard(file, "s.tar", 384)
        assert next(samples).key == "k0"
        samples.close()
