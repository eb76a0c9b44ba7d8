"""The loader: the right samples for every number of workers and ranks, and damaged pictures."""

import time
from collections.abc import Sequence
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from model.training.data.decoding import DecodeRequests, PictureReader, decode_files, shared_buffers
from model.training.data.loader import Loader, _prefetch_one
from model.training.data.order import Order
from model.training.data.table import Table, read_table
from model.training.steps.classifier_trainer import StepSamples
from model.training.steps.plan import TrainingStep
from tests.model.training.small_shards import (
    SIDE,
    colour,
    members,
    picture,
    write_shards,
)
from tests.written_shards import write_shard
from webbody.errors import WebbodyError

SIZES = (6, 12, 6, 18)


def steps_of(sizes: Sequence[int] = SIZES, start: int = 0) -> list[TrainingStep]:
    starts = start + np.cumsum([0, *sizes])
    return [TrainingStep(i, int(starts[i]), size, 8, 0.1) for i, size in enumerate(sizes)]


def loader_of(table: Table, **options) -> Loader:
    return Loader(table, Order(np.ones(len(table)), seed=5), SIDE, **options)


def load(table: Table, steps=None, **options) -> list:
    """The samples of all steps; copies, as the next batch may take the place of one."""
    return [copied(batch) for batch in loader_of(table, **options)(steps or steps_of())]


def copied(samples: StepSamples) -> StepSamples:
    return StepSamples(samples.images_BCHW.clone(), *list(vars(samples).values())[1:])


def assert_equal(one, other):
    for name in ("images_BCHW", "keypoints_BK3", "labels_B", "datasets_B"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0)


@pytest.fixture
def table(tmp_path) -> Table:
    """20 samples, numbered as their colours are, of two data sets."""
    return read_table([write_shards(tmp_path / "a", 12, 5), write_shards(tmp_path / "b", 8, 5)])


def shown(samples) -> list[tuple[int, ...]]:
    """The colours of the images, by which they are known."""
    return [tuple(map(int, image)) for image in samples.images_BCHW[:, :, 9, 9]]


def close(one, other) -> bool:
    return all(abs(a - b) <= 4 for a, b in zip(one, other, strict=True))


def test_every_image_comes_with_its_own_keypoints_and_labels(table):
    order = Order(np.ones(20), seed=5)
    for step, samples in zip(steps_of(), load(table), strict=True):
        ids = order.take(step.start, step.size)
        assert samples.images_BCHW.shape == (step.size, 3, SIDE, SIDE)
        assert samples.images_BCHW.dtype == torch.uint8
        numbers = np.where(ids < 12, ids, ids - 12)
        assert all(map(close, shown(samples), map(colour, numbers)))
        assert samples.labels_B.tolist() == table.label[ids].tolist()
        assert samples.datasets_B.tolist() == (ids >= 12).astype(int).tolist()
        assert ((samples.keypoints_BK3[..., 2] > 0).sum(1) == torch.from_numpy(numbers) + 1).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_images_stay_until_the_next_are_asked_for(table, workers):
    for one, whole in zip(loader_of(table, workers=workers)(steps_of()), load(table), strict=True):
        time.sleep(0.05)  # workers have filled every buffer they may
        assert_equal(one, whole)
    assert list(loader_of(table, workers=workers)([])) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(table, workers):
    state = torch.get_rng_state()
    for one, other in zip(load(table), load(table, workers=workers), strict=True):
        assert_equal(one, other)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_share_every_step(table, ranks):
    parts = [load(table, rank=rank, ranks=ranks) for rank in range(ranks)]
    for number, whole in enumerate(load(table)):
        for rank in range(ranks):
            part = parts[rank][number]
            torch.testing.assert_close(part.images_BCHW, whole.images_BCHW[rank::ranks])
            assert part.labels_B.tolist() == whole.labels_B[rank::ranks].tolist()


def test_more_ranks_than_shards_share_all_samples(tmp_path):
    table = read_table([write_shards(tmp_path, 12, 12)])
    assert len(table.shards) == 1
    (whole,) = load(table, steps_of([12]))
    parts = [load(table, steps_of([12]), rank=rank, ranks=4)[0] for rank in range(4)]
    assert [len(part.images_BCHW) for part in parts] == [3] * 4
    for rank, part in enumerate(parts):
        torch.testing.assert_close(part.images_BCHW, whole.images_BCHW[rank::4])


def test_it_begins_at_any_position(table):
    whole = load(table)
    for one, other in zip(whole[2:], load(table, steps_of(SIZES[2:], start=18)), strict=True):
        assert_equal(one, other)


def test_a_build_is_loaded(demo):
    table = read_table([str(demo.out)])
    side = int(table.width[0])
    loader = Loader(table, Order(np.ones(len(table)), 0), side, workers=1)
    (samples,) = loader([TrainingStep(0, 0, len(table), 8, 0.1)])
    assert sorted(samples.labels_B.tolist()) == sorted(table.label.tolist())
    assert samples.images_BCHW.float().flatten(1).std(1).min() > 0
    assert (loader.read, loader.unreadable.total()) == (len(table), 0)


def test_shards_behind_a_url(table, tmp_path):
    fsspec.filesystem("memory").put(str(tmp_path), "/loader", recursive=True)
    remote = read_table(["memory://loader/a", "memory://loader/b"])
    for workers in (0, 1):
        for one, other in zip(load(table), load(remote, workers=workers), strict=True):
            assert_equal(one, other)


def test_pictures_of_other_sizes_and_kinds_are_fitted(tmp_path):
    write_shard(tmp_path / "a.tar", members(1, (64, 32)), members(2, (20, 20), "PNG"))
    (samples,) = load(read_table([str(tmp_path)]), steps_of([2]))
    by_label = dict(zip(samples.labels_B.tolist(), samples.images_BCHW, strict=True))
    wide, small = by_label[0], by_label[1]
    assert (wide[:, :7] == 255).all() and (wide[:, -7:] == 255).all()
    assert close(wide[:, 16, 16].tolist(), colour(1))
    assert small.flatten(1).T.tolist() == [list(colour(2))] * SIDE * SIDE


def damaged(folder: Path, broken: dict[int, bytes], count: int = 12) -> Table:
    made = [members(number) for number in range(count)]
    for number, data in broken.items():
        made[number][f"k{number}.jpg"] = data
    for start in range(0, count, 5):
        write_shard(folder / f"s-{start:02}.tar", *made[start : start + 5])
    return read_table([str(folder)])


def test_an_unreadable_picture_is_replaced_by_the_next_readable_sample(tmp_path):
    table = damaged(tmp_path, {3: picture(3)[:300], 4: b"<html>", 11: b"", 7: picture(7)[:-20]})
    order = Order(np.ones(12), seed=5)
    ids = order.take(0, 12)
    expected = [{3: 5, 4: 5, 7: 8, 11: 0}.get(int(id), int(id)) for id in ids]
    loader = loader_of(table)
    (samples,) = loader(steps_of([12]))
    assert all(map(close, shown(samples), map(colour, expected)))
    assert samples.labels_B.tolist() == [number // 2 for number in expected]
    assert samples.keypoints_BK3[..., 2].sum(1).tolist() == [n % 19 + 1 for n in expected]
    assert loader.unreadable.total() == 5  # 4 is met once more on the way from 3 to 5
    (again,) = load(table, steps_of([12]), workers=1)
    assert_equal(samples, again)
    for rank in (0, 1):
        (part,) = load(table, steps_of([12]), rank=rank, ranks=2)
        assert shown(part) == shown(samples)[rank::2]


def test_too_many_unreadable_pictures_stop_it_and_the_worst_shard_is_named(tmp_path):
    broken = {number: picture(number)[:300] for number in (1, 5, 6, 7, 8, 9)}
    table = damaged(tmp_path, broken)
    with pytest.raises(WebbodyError, match=r"11 of .* could not be read, more than 1.0%.*s-05.tar"):
        load(table, steps_of([12, 12, 12]))
    assert len(load(table, steps_of([12, 12, 12]), unreadable=0.8)) == 3


def test_nothing_readable_ends_with_an_error(tmp_path):
    table = damaged(tmp_path, dict.fromkeys(range(12), b""))
    with pytest.raises(WebbodyError, match="could not be read"):
        load(table, steps_of([1]), unreadable=0.99)


@pytest.mark.parametrize("workers", [0, 1])
def test_shards_that_vanish_or_shrink_after_the_first_look_are_told(tmp_path, workers):
    table = read_table([write_shards(tmp_path, 30, 10)])
    (tmp_path / "train-001.tar").unlink()
    (tmp_path / "train-002.tar").write_bytes(b"")
    with pytest.raises(WebbodyError, match=r"train-00[12].tar .*(No such file|ends before)"):
        load(table, steps_of([30, 30]), workers=workers)


def test_a_step_that_ranks_cannot_share_and_other_bad_arguments_are_told(table):
    with pytest.raises(ValueError, match="4 ranks cannot share 6 samples"):
        load(table, ranks=4)
    with pytest.raises(ValueError, match="on a CUDA device, not on cpu"):
        loader_of(table, decode_on_device=True)
    with pytest.raises(ValueError, match="share of unreadable"):
        loader_of(table, unreadable=1.0)


@pytest.mark.parametrize("broken", [False, True])
def test_files_handed_over_are_decoded_like_those_that_are_not(table, broken):
    """As for CUDA, but on the CPU: both ways to decode files, and what is not handed over."""
    buffers = shared_buffers(1, 4, SIDE)
    places = np.stack([table.shard, table.offset, table.length, np.ones(20, int)], 1)[:4]
    if broken:  # has all that a JPEG has, and a table whose number is none
        (path,) = {table.shards[i] for i in places[:, 0]}
        data = bytearray(Path(path).read_bytes())
        data[data.index(b"\xff\xdb", places[2, 1]) + 4] = 0x0F
        Path(path).write_bytes(data)
    done = PictureReader(table.shards, buffers, files=True)[DecodeRequests(0, places)]
    images, unreadable = decode_files(done, SIDE, "cpu")
    plain = PictureReader(table.shards, buffers)[DecodeRequests(0, places)]
    assert list(unreadable) == list(plain.unreadable) == ([2] if broken else [])
    good = [i for i in range(4) if i not in unreadable]
    torch.testing.assert_close(images[good], buffers[0, good])
    places[1, 3] = 0
    assert PictureReader(table.shards, buffers, files=True)[DecodeRequests(0, places)].jpegs is None


def test_samples_made_ahead_come_in_order_and_so_do_errors():
    def batches():
        yield from (1, 2)
        raise WebbodyError("bad")

    ahead = _prefetch_one(batches())
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(WebbodyError, match="bad"):
        next(ahead)


@pytest.mark.gpu
@pytest.mark.parametrize("broken", [{}, {3: picture(3)[:300], 7: picture(7)[:-20] + b"\xff\xd9"}])
def test_cuda_decodes_the_same_pictures(tmp_path, broken):
    table = damaged(tmp_path, broken)
    options = {"device": "cuda", "workers": 1}
    fast = load(table, steps_of([6, 6, 4]), decode_on_device=True, **options)
    for one, other in zip(fast, load(table, steps_of([6, 6, 4]), **options), strict=True):
        difference = one.images_BCHW.cpu().int() - other.images_BCHW.int()
        assert difference.abs().max() <= 4
        assert one.labels_B.tolist() == other.labels_B.tolist()
