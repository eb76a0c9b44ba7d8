"""Foregrounds come with the samples they belong to, and bad ones are told."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.training.data.loader import Loader
from model.training.data.order import Order
from model.training.data.table import Table, read_table
from model.training.steps.plan import TrainingStep
from tests.model.training.small_foregrounds import (
    as_png,
    mask_of,
    with_foreground,
    write_foregrounds,
)
from tests.model.training.small_shards import SIDE, members, write_shards
from tests.written_shards import write_shard
from webbody.errors import WebbodyError

COUNT = 12
STEPS = [TrainingStep(0, 0, 6, 8, 0.1), TrainingStep(1, 6, 12, 8, 0.1)]


def needed(positions: np.ndarray) -> np.ndarray:
    return np.ones(len(positions), bool)


def load(table: Table, foregrounds=needed, steps=STEPS, **options) -> list[dict]:
    """Tensors of each step's samples by name; copies, as buffers are filled again."""
    order = Order(np.ones(len(table)), seed=5)
    loader = Loader(table, order, SIDE, foregrounds=foregrounds, **options)
    return [
        {k: None if v is None else v.clone() for k, v in vars(samples).items()}
        for samples in loader(steps)
    ]


def ids_of(step: TrainingStep, count: int = COUNT) -> list[int]:
    return Order(np.ones(count), seed=5).take(step.start, step.size).tolist()


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return read_table([write_foregrounds(tmp_path, COUNT, 5, every=3)])


@pytest.mark.parametrize("workers", [0, 2])
def test_every_sample_has_its_own_and_without_one_is_all_foreground(table: Table, workers: int):
    for step, samples in zip(STEPS, load(table, workers=workers), strict=True):
        expected = [np.full((SIDE, SIDE), 255) if n % 3 else mask_of(n) for n in ids_of(step)]
        np.testing.assert_array_equal(samples["foreground_BHW"].numpy(), np.stack(expected))


def test_what_is_not_asked_for_does_not_come_and_all_else_stays(table: Table, tmp_path: Path):
    plain = load(read_table([write_shards(tmp_path / "plain", COUNT, 5)]), None)
    for one, other, bare in zip(load(table), load(table, None), plain, strict=True):
        assert other.pop("foreground_BHW") is None and bare.pop("foreground_BHW") is None
        for name, tensor in other.items():
            assert torch.equal(tensor, one[name]) and torch.equal(tensor, bare[name])


@pytest.mark.parametrize("ranks", [1, 3])
def test_only_those_that_are_needed_are_read(tmp_path: Path, ranks: int):
    """By their positions, whatever the number of ranks; a bad one that is not needed is no harm."""
    made = [with_foreground(number) for number in range(COUNT)]
    unneeded = [
        n for n, position in zip(ids_of(STEPS[1]), range(6, 18), strict=True) if position % 2
    ]
    for number in unneeded:
        made[number][f"k{number}.foreground.png"] = b"<html>"
    write_shard(tmp_path / "a.tar", *made)
    table = read_table([str(tmp_path)])
    for rank in range(ranks):
        (samples,) = load(
            table, lambda positions: positions % 2 == 0, STEPS[1:], rank=rank, ranks=ranks
        )
        expected = [
            np.full((SIDE, SIDE), 255) if n in unneeded else mask_of(n) for n in ids_of(STEPS[1])
        ]
        np.testing.assert_array_equal(samples["foreground_BHW"], np.stack(expected)[rank::ranks])


def test_ranks_share_them(table: Table):
    parts = [load(table, rank=rank, ranks=3) for rank in range(3)]
    for number, whole in enumerate(load(table)):
        for rank in range(3):
            part = parts[rank][number]["foreground_BHW"]
            assert torch.equal(part, whole["foreground_BHW"][rank::3])


def test_a_foreground_is_no_picture(tmp_path: Path):
    """Also where the picture is a PNG, and comes behind."""
    mask = {"k1.foreground.png": as_png(mask_of(1))}
    write_shard(tmp_path / "a.tar", {**mask, **members(1, kind="PNG")})
    (samples,) = load(read_table([str(tmp_path)]), steps=[TrainingStep(0, 0, 1, 8, 0.1)])
    (plain,) = load(read_table([str(tmp_path)]), None, steps=[TrainingStep(0, 0, 1, 8, 0.1)])
    assert torch.equal(samples["images_BCHW"], plain["images_BCHW"])
    assert samples["images_BCHW"][0, :, 0, 0].tolist() == [37, 91, 53]


def test_around_pictures_that_are_no_squares_is_background(tmp_path: Path):
    write_shard(tmp_path / "a.tar", with_foreground(4, (2 * SIDE, SIDE)))
    (samples,) = load(read_table([str(tmp_path)]), steps=[TrainingStep(0, 0, 1, 8, 0.1)])
    mask = samples["foreground_BHW"][0].numpy()
    quarter = SIDE // 4
    assert not mask[:quarter].any() and not mask[-quarter:].any()
    np.testing.assert_array_equal(mask[quarter:-quarter], mask_of(4, (2 * SIDE, SIDE))[::2, ::2])


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (as_png(mask_of(0))[:60], "its foreground"),
        (b"<html>", "its foreground"),
        (as_png(mask_of(0, (SIDE, SIDE + 1))), "32 x 33 pixels, its picture 32 x 32"),
        (as_png(mask_of(0).astype(np.uint16) * 257), "more than 8 bits"),
    ],
)
def test_one_that_cannot_be_read_counts_as_an_unreadable_picture(
    broken: bytes, told: str, tmp_path: Path
):
    made = [with_foreground(number) for number in range(COUNT)]
    made[3]["k3.foreground.png"] = broken
    write_shard(tmp_path / "a" / "a.tar", *made)
    table = read_table([str(tmp_path / "a")])
    (_, samples), (_, bare) = load(table), load(table, None)
    ids = ids_of(STEPS[1])
    used = [4 if number == 3 else number for number in ids]
    expected = np.stack([mask_of(number) for number in used])
    np.testing.assert_array_equal(samples["foreground_BHW"].numpy(), expected)
    assert samples["labels_B"].tolist() == [number // 2 for number in used]
    assert bare["labels_B"].tolist() == [number // 2 for number in ids]
    for number in range(COUNT):
        made[number][f"k{number}.foreground.png"] = broken
    write_shard(tmp_path / "b" / "a.tar", *made)
    with pytest.raises(WebbodyError, match=f"could not be read.*{told}"):
        load(read_table([str(tmp_path / "b")]))
