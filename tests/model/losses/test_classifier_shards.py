import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from model.losses import AdaFace, PartialFC, load_shard, save_shard
from tests.model.losses.conftest import Runs
from tests.model.losses.ranks import CLASSES, WIDTH

SECOND = "classifier-00001-of-00002.safetensors"


@pytest.fixture
def saved(runs: Runs, tmp_path: Path) -> Path:
    """A checkpoint of two ranks, to be damaged."""
    return Path(shutil.copytree(runs.saved, tmp_path / "saved"))


def head(classes: int = CLASSES, width: int = WIDTH) -> PartialFC:
    return PartialFC(width, classes, AdaFace())


def rewrite(path: Path, **changes: torch.Tensor) -> None:
    with safe_open(path, "pt") as file:
        names = file.keys()
        tensors = {name: file.get_tensor(name) for name in names}
        metadata = file.metadata()
    save_file(tensors | changes, path, metadata)


def test_keeps_every_bit_on_one_process(tmp_path: Path) -> None:
    one, other = head(), PartialFC(WIDTH, CLASSES, AdaFace(), seed=1)
    one.margin.update(torch.tensor([30.0, 60.0]))
    moments = {"step": torch.tensor(3.0), "exp_avg": torch.randn(CLASSES, WIDTH)}
    path = save_shard(tmp_path, one, moments)
    assert list(tmp_path.iterdir()) == [path]
    loaded = load_shard(tmp_path, other)
    assert loaded.keys() == moments.keys()
    assert all(torch.equal(loaded[name], value) for name, value in moments.items())
    for name, value in one.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


def test_needs_no_moments(tmp_path: Path) -> None:
    save_shard(tmp_path, head())
    assert load_shard(tmp_path, head()) == {}


def test_moment_of_another_shape_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exp_avg"):
        save_shard(tmp_path, head(), {"exp_avg": torch.zeros(WIDTH)})
    assert not list(tmp_path.iterdir())


def test_missing_shards_are_told(saved: Path, tmp_path: Path) -> None:
    (saved / SECOND).unlink()
    with pytest.raises(FileNotFoundError, match=SECOND):
        load_shard(saved, head())
    with pytest.raises(FileNotFoundError, match="no classifier shards"):
        load_shard(tmp_path / "nowhere", head())


@pytest.mark.parametrize("length", [0, 5, 300, -1])
def test_damaged_shard_is_told_and_changes_nothing(saved: Path, length: int) -> None:
    path, one = saved / SECOND, head()
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=f"{SECOND} is damaged"):
        load_shard(saved, one)
    assert torch.equal(one.weight, head().weight)


@pytest.mark.parametrize(("classes", "width"), [(CLASSES + 1, WIDTH), (CLASSES, WIDTH + 1)])
def test_another_classifier_is_told(saved: Path, classes: int, width: int) -> None:
    with pytest.raises(ValueError, match=f'needs {{"classes": {classes}, "width": {width}'):
        load_shard(saved, head(classes, width))


def test_rows_of_another_place_are_told(saved: Path) -> None:
    shutil.copy(saved / SECOND.replace("00001", "00000", 1), saved / SECOND)
    with pytest.raises(ValueError, match=r'"class_start": 0, .* needs .*"class_start": 6'):
        load_shard(saved, head())


def test_shards_of_two_saves_are_told(saved: Path) -> None:
    rewrite(saved / SECOND, **{"optimizer.step": torch.tensor(5.0)})
    with pytest.raises(ValueError, match=f"{SECOND} was not saved together"):
        load_shard(saved, head())
    save_shard(saved, head())
    with pytest.raises(ValueError, match=r"mixes classifiers of \[1, 2\] ranks"):
        load_shard(saved, head())


def test_file_of_another_kind_is_told(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "classifier-00000-of-00001.safetensors")
    with pytest.raises(ValueError, match="no classifier shard"):
        load_shard(tmp_path, head())
