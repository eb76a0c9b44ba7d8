"""Pictures of any shards, cropped at random; what cannot be read is replaced and told."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.sapiens.training.loader import SampleLoader
from model.sapiens.training.pictures import crop_box, read_pictures
from model.sapiens.training.schedule import RateSchedule, equal_steps
from model.training.data.order import Order
from tests.model.training.small_shards import picture, write_shards
from tests.written_shards import write_shard
from webbody.errors import WebbodyError


def loader_of(folder: str, seed: int = 0, **how) -> SampleLoader:
    pictures = read_pictures([folder], 32)
    return SampleLoader(pictures, Order(np.ones(len(pictures)), seed), seed=seed, **how)


def steps_of(count: int, batch: int = 4):
    return equal_steps(count * batch, batch, 4, RateSchedule(1.0, count))


def test_pictures_without_any_label_are_enough(tmp_path: Path) -> None:
    names = [{f"a/k{number}.png": picture(number, (40, 30), "PNG")} for number in range(6)]
    write_shard(tmp_path / "only.tar", *names)
    pictures = read_pictures([str(tmp_path)], 32, tmp_path / "cache")
    assert len(pictures) == 6
    assert pictures.picture(3).shape == (30, 40, 3)
    image = pictures.sample(3, np.random.default_rng(0))["image"]
    assert image.shape == (3, 32, 32) and image.dtype == np.uint8
    assert (image == pictures.picture(3)[0, 0][:, None, None]).all()
    again = read_pictures([str(tmp_path)], 32, tmp_path / "cache")
    assert again.digest == pictures.digest and len(list((tmp_path / "cache").iterdir())) == 1
    assert pickle.loads(pickle.dumps(pictures)).picture(0).shape == (30, 40, 3)


@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.floats(0.05, 1.0),
    st.integers(0, 1 << 30),
)
def test_a_crop_lies_in_its_picture(width: int, height: int, least: float, seed: int) -> None:
    left, top, right, bottom = crop_box(width, height, (least, 1.0), np.random.default_rng(seed))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height


def test_crops_have_the_wanted_share_of_a_large_picture() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([crop_box(1000, 1000, (0.2, 0.6), rng) for _ in range(500)])
    sides = boxes[:, 2:] - boxes[:, :2]
    share, ratio = sides.prod(1) / 1e6, sides[:, 0] / sides[:, 1]
    assert share.min() > 0.19 and share.max() < 0.61 and abs(share.mean() - 0.4) < 0.02
    assert ratio.min() > 0.74 and ratio.max() < 1.34 and abs(np.log(ratio).mean()) < 0.03


def test_samples_depend_neither_on_processes_nor_on_where_a_run_begins(tmp_path: Path) -> None:
    folder, steps = write_shards(tmp_path, 12, 5), steps_of(5)
    whole = [batch["image"].clone() for batch in loader_of(folder)(steps)]
    later = [batch["image"].clone() for batch in loader_of(folder)(steps[3:])]
    forked = [batch["image"].clone() for batch in loader_of(folder, workers=2)(steps)]
    ranks = [list(loader_of(folder, rank=rank, ranks=2)(steps)) for rank in range(2)]
    for number, images in enumerate(whole):
        assert torch.equal(images, forked[number])
        assert torch.equal(images[0::2], ranks[0][number]["image"])
        assert torch.equal(images[1::2], ranks[1][number]["image"])
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], later, strict=True))
    other = next(iter(loader_of(folder, seed=1)(steps)))["image"]
    assert not torch.equal(other, whole[0])


def test_a_broken_picture_is_replaced_and_many_end_the_run(tmp_path: Path) -> None:
    good = [{f"k{number}.jpg": picture(number)} for number in range(8)]
    write_shard(tmp_path / "one" / "a.tar", *good, {"broken.jpg": b"no picture"})
    loader = loader_of(str(tmp_path / "one"))
    assert sum(len(batch["image"]) for batch in loader(steps_of(5))) == 20
    assert 0 < loader.unreadable.total() <= 10
    assert "a.tar at byte" in next(iter(loader.unreadable))
    write_shard(tmp_path / "many" / "a.tar", *good, *[{f"b{n}.jpg": b"no"} for n in range(8)])
    with pytest.raises(WebbodyError, match=r"of .* samples could not be read, more than 1 %|1%"):
        list(loader_of(str(tmp_path / "many"))(steps_of(20)))


def test_a_shard_of_no_pictures_is_told(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", {"k.txt": b"text"})
    with pytest.raises(WebbodyError, match="has no picture"):
        read_pictures([str(tmp_path)], 32)
