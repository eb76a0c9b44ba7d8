"""A run of masked pretraining, put together from its settings."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.losses.collectives import rank_and_ranks
from model.sapiens.arithmetic import pretraining_macs
from model.sapiens.masked_autoencoder import MaskedAutoencoder
from model.sapiens.sizes import EncoderSize, encoder_size
from model.sapiens.training.loader import loader_of
from model.sapiens.training.optimizer import parameter_groups
from model.sapiens.training.pictures import ShardPictures, read_pictures
from model.sapiens.training.reconstructions import save_reconstructions
from model.sapiens.training.schedule import RateSchedule, equal_steps, step_count
from model.sapiens.training.trainer import PretrainingTrainer
from model.training.builders import ScanReport, first_rank_first, from_settings, how_computed
from model.training.parts import RunParts, Say
from model.training.sapiensid_run import flat
from webbody.errors import WebbodyError
from webbody.images import ImageError

#: Learning rates are told for batches of so many images.
_REFERENCE_BATCH = 256
#: Pictures on a sheet of reconstructions.
_SHOWN = 8


def put_together(settings: Mapping[str, Any], device: str, say: Say) -> RunParts:
    """The parts of a run from the mapping of `webbody.sapiens_config.PretrainConfig`."""
    optimization, resources = settings["optimization"], settings["resources"]
    ranks = rank_and_ranks(None)[1]
    batch = optimization["batch"]
    shared_among(batch, ranks)
    side = settings["model"]["side"]
    cache = Path(settings["out"]) / "cache" if settings["out"] else None
    read = partial(
        read_pictures,
        settings["data"]["sources"],
        side,
        cache,
        on_shard=ScanReport(say),
        **settings["augmentation"],
    )
    pictures: ShardPictures = first_rank_first(read)
    model = autoencoder(settings)
    rows, columns = model.encoder.grid
    patches = rows * columns
    with from_settings("optimization"):
        steps = step_count(len(pictures), optimization["epochs"], batch)
        warmup = (
            step_count(len(pictures), optimization["warmup_epochs"], batch)
            if (optimization["warmup_epochs"] * len(pictures) >= batch)
            else 0
        )
        schedule = RateSchedule(
            optimization["learning_rate"] * batch / _REFERENCE_BATCH,
            steps,
            min(warmup, steps - 1),
            optimization["warmup_from"],
            optimization["schedule"],
        )
    trainer = PretrainingTrainer(
        model,
        parameter_groups(model, weight_decay=optimization["weight_decay"]),
        betas=optimization["betas"],
        max_grad_norm=optimization["max_grad_norm"],
        seed=settings["seed"],
        device=device,
        macs=sum(pretraining_macs(model.encoder.size, model.decoder, patches, model.kept(patches))),
        **how_computed(resources, device),
    )
    loader = loader_of(pictures, settings["seed"], resources["workers"], device)
    return RunParts(
        trainer,
        equal_steps(steps * batch, batch, patches, schedule),
        loader,
        identity(settings, pictures.digest, trainer.mixed_precision),
        f"{len(pictures):,} pictures in {len(pictures.shards)} shards; {steps:,} steps of {batch} "
        f"images, {model.kept(patches)} of {patches} patches of each are looked at.",
        show=_Pictures(settings, model, pictures, steps),
    )


class _Pictures:
    """Draws reconstructions of a few pictures into `out`/reconstructions, at some steps."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        model: MaskedAutoencoder,
        pictures: ShardPictures,
        steps: int,
    ) -> None:
        self._folder = Path(settings["out"]) / "reconstructions"
        self._model, self._pictures, self._steps = model, pictures, steps
        self._every = settings["resources"]["picture_steps"]
        self._shown: torch.Tensor | None = None

    def __call__(self, done: int) -> None:
        if done != self._steps and (not self._every or done % self._every):
            return
        if self._shown is None:
            # From all over the data, whole or nearly so.
            whole = replace(self._pictures, area=(0.9, 1.0), flip=0.0)
            chosen = np.linspace(0, len(whole) - 1, min(_SHOWN, len(whole))).astype(int)
            found = [_readable(whole, int(index)) for index in chosen]
            readable = [image for image in found if image is not None]
            if not readable:
                return
            self._shown = torch.from_numpy(np.stack(readable))
        save_reconstructions(self._model, self._shown, self._folder / f"step-{done:08d}.png")


def _readable(pictures: ShardPictures, index: int) -> np.ndarray | None:
    try:
        return pictures.sample(index, np.random.default_rng(index))["image"]
    except (OSError, ValueError, ImageError):
        return None


def autoencoder(settings: Mapping[str, Any]) -> MaskedAutoencoder:
    """The model of the settings; every rank starts with the same weights."""
    arguments = dict(settings["model"])
    size, decoder = encoder_size(arguments.pop("size")), EncoderSize(*arguments.pop("decoder"))
    torch.manual_seed(settings["seed"])
    with from_settings("model"):
        return MaskedAutoencoder(
            size, decoder=decoder, recompute=settings["resources"]["recompute"], **arguments
        )


def shared_among(batch: int, ranks: int) -> None:
    """WebbodyError where processes cannot share a batch evenly."""
    if batch % ranks:
        raise WebbodyError(
            f"{ranks} processes cannot share batches of {batch}: set optimization.batch to a "
            f"multiple of {ranks}, at the start of a run"
        )


def identity(settings: Mapping[str, Any], digest: str, mixed: bool) -> dict[str, Any]:
    """Everything that changes a run's result."""
    sections = {k: settings[k] for k in ("model", "augmentation", "optimization")}
    return {**flat(sections), "data": digest, "precision": mixed, "seed": settings["seed"]}
