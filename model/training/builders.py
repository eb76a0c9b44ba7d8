"""Builds the parts of a run from its settings."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from model.losses import AdaFace, PartialFC
from model.losses.collectives import rank_and_ranks
from model.sapiensid.masking import KeptTokens
from model.sapiensid.sapiensid import PRESETS, SapiensID
from model.training.data.loader import Loader
from model.training.data.order import Order, repeats
from model.training.data.table import Table, read_table
from model.training.monitoring.validation import HeldOut, read_held_out
from model.training.parts import Say
from model.training.steps.augment import Augment
from model.training.steps.classifier_trainer import ClassifierTrainer
from model.training.steps.plan import TrainingStep, plan
from model.training.steps.schedule import Batches
from model.training.steps.trainer import Trainer
from webbody.errors import WebbodyError

#: Seconds between two messages about the first read of the shards.
_INTERVAL = 10.0
#: Timeout of the barrier: the first read of many shards may take long.
_PATIENCE = timedelta(days=2)
Read = TypeVar("Read")


@dataclass(frozen=True)
class TrainState:
    """What `train` needs on this rank; held_out is None without validation."""

    table: Table
    order: Order
    steps: Sequence[TrainingStep]
    trainer: ClassifierTrainer
    loader: Loader
    held_out: HeldOut | None


def assemble(settings: Mapping[str, Any], device: str, say: Say) -> TrainState:
    """Build the parts of a run from `settings` (the mapping of webbody.train_config.TrainConfig).

    Every rank calls it. The table of samples is cached in `out`/cache, if there is an `out`.
    Raises WebbodyError.
    """
    data, seed = settings["data"], settings["seed"]
    table = sample_table(settings["out"], say, data["sources"])
    held_out = read_validation(settings, say)
    foregrounds = _foregrounds(settings["augmentation"]["background"], table, say)
    sets = int(table.dataset.max()) + 1
    order = order_of(table, data["weights"], data["oversampling"], seed)
    steps = _plan(settings, order, rank_and_ranks(None)[1])
    trainer = _trainer(settings, table, sets, device)
    loader = loader_of(
        settings, table, order, trainer, trainer.needs_foregrounds if foregrounds else None
    )
    return TrainState(table, order, steps, trainer, loader, held_out)


def loader_of(
    settings: Mapping[str, Any],
    table: Table,
    order: Order,
    trainer: ClassifierTrainer,
    foregrounds: Callable[[NDArray[np.int64]], NDArray[np.bool_]] | None = None,
) -> Loader:
    """What gives this rank's samples; `foregrounds` tells which positions need theirs."""
    resources = settings["resources"]
    with from_settings("resources"):
        return Loader(
            table,
            order,
            trainer.image_size,
            rank=trainer.rank,
            ranks=trainer.ranks,
            workers=resources["workers"],
            device=str(trainer.device),
            decode_on_device=resources["decode"] == "cuda",
            foregrounds=foregrounds,
        )


def read_validation(settings: Mapping[str, Any], say: Say) -> HeldOut | None:
    """The validation set that settings name; None where they name none."""
    validation = settings["validation"]
    if not validation["gallery"]:
        return None

    def read(sources: Sequence[str]) -> Table:
        return sample_table(settings["out"], say, sources, validation["split"])

    return read_held_out(validation["gallery"], validation["queries"], read)


def order_of(table: Table, weights: Sequence[float], oversampling: float, seed: int) -> Order:
    """In which order a run sees the samples of a table."""
    with from_settings("data"):
        sets = int(table.dataset.max()) + 1
        shown = repeats(table.dataset, table.visible, weights or [1.0] * sets, oversampling)
        return Order(shown, seed)


def _foregrounds(share: float, table: Table, say: Say) -> bool:
    """Whether foregrounds are needed; WebbodyError where they are and no sample has one."""
    if not share:
        return False
    count = int((table.foreground_length > 0).sum())
    if not count:
        raise WebbodyError(
            f"augmentation.background is {share:g}, and no sample has a foreground: build the data "
            "set with pack.foreground, or set augmentation.background to 0"
        )
    if count < len(table):
        say(
            f"{count:,} of {len(table):,} images have a foreground; the others keep their "
            "background."
        )
    return True


def _plan(settings: Mapping[str, Any], order: Order, ranks: int) -> Sequence[TrainingStep]:
    optimization, tokens = settings["optimization"], settings["tokens"]
    multiple = multiple_of(optimization, ranks)
    with from_settings("tokens"):
        kept = KeptTokens(tokens["min"], tokens["max"], tokens["decay"])
    with from_settings("optimization"):
        batches = Batches(kept, optimization["batch"], optimization["batch_rule"], multiple)
        return plan(
            batches,
            samples=round(optimization["epochs"] * order.epoch_length),
            warmup=round(optimization["warmup_epochs"] * order.epoch_length),
            rate=optimization["learning_rate"],
            seed=settings["seed"],
            token_multiple=tokens["multiple"],
        )


def multiple_of(optimization: Mapping[str, Any], ranks: int) -> int:
    """What batches are multiples of; WebbodyError where the ranks cannot share them."""
    multiple: int = optimization["batch_multiple"]
    if multiple % ranks:
        raise WebbodyError(
            f"{ranks} processes cannot share batches that are multiples of {multiple}: set "
            f"optimization.batch_multiple to a multiple of {ranks}, at the start of a run"
        )
    return multiple


def _trainer(settings: Mapping[str, Any], table: Table, sets: int, device: str) -> Trainer:
    arguments = {"datasets": sets, **settings["model"]["arguments"]}
    # Every rank starts with the same weights.
    torch.manual_seed(settings["seed"])
    with from_settings("model.arguments"):
        model = SapiensID(**{**PRESETS[settings["model"]["preset"]], **arguments})
    with from_settings("augmentation"):
        augment = Augment(**settings["augmentation"])
    how = how_trained(settings, model.feature_dim, table.classes, device)
    return Trainer(model, augment=augment, **how)


def how_trained(
    settings: Mapping[str, Any], width: int, classes: int, device: str
) -> dict[str, Any]:
    """What trainers take beside model and augmentation: the classifier of people, the optimizer's
    settings, the device."""
    optimization, seed = settings["optimization"], settings["seed"]
    with from_settings("optimization"):
        classifier = PartialFC(
            width,
            classes,
            AdaFace(optimization["margin"], scale=optimization["scale"]),
            sample_rate=optimization["sample_rate"],
            seed=seed,
        )
    return {
        "classifier": classifier,
        "weight_decay": optimization["weight_decay"],
        "max_grad_norm": optimization["max_grad_norm"],
        "seed": seed,
        "device": device,
        **how_computed(settings["resources"], device),
    }


def how_computed(resources: Mapping[str, Any], device: str) -> dict[str, bool]:
    """A trainer's `mixed_precision` and `compiled`, from settings and device."""
    on_cuda = device.startswith("cuda")
    precision, compiled = resources["precision"], resources["compile"]
    return {
        "mixed_precision": precision == "bfloat16" or (precision == "auto" and on_cuda),
        "compiled": compiled == "yes" or (compiled == "auto" and on_cuda),
    }


def sample_table(out: str, say: Say, sources: Sequence[str], split: str = "train") -> Table:
    """The table of samples; the first rank reads the shards, the others its cache."""
    cache = Path(out) / "cache" if out else None
    return first_rank_first(
        lambda: read_table(sources, cache, split=split, on_shard=ScanReport(say))
    )


def first_rank_first(read: Callable[[], Read]) -> Read:
    """What a function gives that keeps what it read: the first rank calls it before the others."""
    rank, ranks = rank_and_ranks(None)
    if ranks == 1:
        return read()
    found = read() if rank == 0 else None
    group = dist.new_group(backend="gloo", timeout=_PATIENCE)
    assert isinstance(group, dist.ProcessGroup)  # every rank is in it
    dist.barrier(group)
    dist.destroy_process_group(group)
    return read() if found is None else found


class ScanReport:
    """Reports from time to time how many shards have been read."""

    def __init__(self, say: Say) -> None:
        self._say, self._reported = say, time.monotonic()

    def __call__(self, shards: int, of: int, samples: int) -> None:
        now = time.monotonic()
        if now - self._reported >= _INTERVAL:
            self._reported = now
            self._say(f"Reading the shards once: {shards:,} of {of:,}, {samples:,} samples.")


@contextmanager
def from_settings(section: str) -> Iterator[None]:
    """Turn errors of constructors into WebbodyError that names the section of the settings."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise WebbodyError(f"{section}: {error}") from error
