"""Runs of masked pretraining: learning, killed and resumed, refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.sapiens.masked_autoencoder import MaskedAutoencoder
from model.sapiens.saved import load_any, start_from
from model.sapiens.sizes import SIZES
from model.sapiens.task_model import SapiensModel
from model.sapiens.training.pretraining import put_together
from model.sapiens.training.reconstructions import reconstruct
from model.training.start import start
from tests.model.sapiens.training.sapiens_runs import (
    losses,
    losses_until_killed,
    pretraining,
)
from tests.model.training.small_shards import write_shards
from webbody.errors import WebbodyError


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_shards(tmp_path_factory.mktemp("pictures"), 10, 5)


@pytest.fixture(scope="module")
def whole(shards: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, float]]:
    """A run that nothing stopped."""
    out = tmp_path_factory.mktemp("whole")
    return out, losses("pretraining", pretraining(shards, out))


def test_a_run_leaves_a_model_figures_and_pictures(whole: tuple[Path, dict[int, float]]) -> None:
    out, told = whole
    assert list(told) == list(range(1, 11))
    assert np.mean(list(told.values())[-3:]) < np.mean(list(told.values())[:3])
    model = load_any(out / "model")
    assert isinstance(model, MaskedAutoencoder) and model.encoder.size == SIZES["mini"]
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert log[-1]["done"] == 10 and log[-1]["feature_norm"] is None
    sheets = sorted(path.name for path in (out / "reconstructions").iterdir())
    assert sheets == ["step-00000004.png", "step-00000008.png", "step-00000010.png"]
    with Image.open(out / "reconstructions" / sheets[-1]) as sheet:
        assert sheet.width == 3 * 64 + 2 * 4


def test_a_killed_run_goes_on_exactly(
    shards: str, whole: tuple[Path, dict[int, float]], tmp_path: Path
) -> None:
    settings = pretraining(shards, tmp_path)
    told = losses_until_killed("pretraining", settings, 5)
    told |= losses("pretraining", settings)
    assert told == whole[1]
    weights = [load_any(folder / "model").state_dict() for folder in (whole[0], tmp_path)]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_a_task_begins_with_the_pretrained_encoder(
    whole: tuple[Path, dict[int, float]],
) -> None:
    model = SapiensModel("pose", SIZES["mini"], (64, 48), 17, channels=8)
    told = start_from(model, whole[0] / "model")
    assert told == [
        "the class token is left out",
        "positions are resampled from 4 x 4 patches to 4 x 3",
        "it was trained with a patch padding of 0, and goes on with 2",
    ]
    pretrained = load_any(whole[0] / "model").encoder
    assert torch.equal(model.encoder.norm.weight, pretrained.norm.weight)
    assert model.encoder.pos_embed.shape == (1, 12, 96)
    other = SapiensModel("pose", SIZES["tiny"], (64, 48), 17, channels=8)
    with pytest.raises(WebbodyError, match="width 96, 4 layers and 4 heads; this model has 192"):
        start_from(other, whole[0] / "model")


def test_a_reconstruction_shows_what_is_seen_predicted_and_true() -> None:
    model = MaskedAutoencoder(SIZES["mini"], 64)
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    sheet = reconstruct(model, images)
    assert sheet.shape == (2 * 64 + 4, 3 * 64 + 2 * 4, 3)
    seen, true = sheet[:64, :64], sheet[:64, -64:]
    assert np.abs(true.astype(int) - images[0].permute(1, 2, 0).numpy()).max() <= 1
    blocks = (seen == true).reshape(4, 16, 4, 16, 3).all((1, 3, 4))
    assert blocks.sum() == model.kept(16) == 4
    assert model.training


def test_a_run_of_other_settings_or_too_little_data_is_refused(
    shards: str, whole: tuple[Path, dict[int, float]], tmp_path: Path
) -> None:
    def go(settings) -> None:
        start(settings, lambda text: None, lambda progress: None, parts_of=put_together)

    with pytest.raises(WebbodyError, match=r"is of another run .*seed: 0 there, 1 here"):
        go(pretraining(shards, whole[0], seed=1))
    few = {"epochs": 1, "warmup_epochs": 0, "batch": 64}
    with pytest.raises(WebbodyError, match="optimization: 10 images, 1 times, make no batch of 64"):
        go(pretraining(shards, tmp_path, optimization=few))
    uneven = {"size": "mini", "side": 60, "decoder": [32, 1, 2]}
    with pytest.raises(WebbodyError, match=r"model: .*no multiples of 16"):
        go(pretraining(shards, tmp_path, model=uneven))
