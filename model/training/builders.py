"""The parts of a run, made from its settings."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from model.losses import AdaFace, PartialFC
from model.losses.collectives import rank_and_ranks
from model.sapiensid.masking import KeptTokens
from model.sapiensid.sapiensid import PRESETS, SapiensID
from model.training.data.loader import Loader
from model.training.data.order import Order, repeats
from model.training.data.table import Table, read_table
from model.training.monitoring.validation import HeldOut, held_out
from model.training.steps.augment import Augment
from model.training.steps.plan import TrainingStep, plan
from model.training.steps.schedule import Batches
from model.training.steps.trainer import Trainer
from webbody.errors import WebbodyError

Say = Callable[[str], None]
#: Seconds between two sentences about shards that are read for the first time.
_INTERVAL = 10.0
#: Reading many shards for the first time may take longer than other collectives may wait.
_PATIENCE = timedelta(days=2)


@dataclass(frozen=True)
class TrainState:
    """What `train` needs, for this rank; held is None where nothing validates the run."""

    table: Table
    order: Order
    steps: Sequence[TrainingStep]
    trainer: Trainer
    loader: Loader
    held: HeldOut | None


def assemble(settings: Mapping[str, Any], device: str, say: Say) -> TrainState:
    """The parts of a run with `settings` (the mapping of webbody.train_config.TrainConfig).

    Every rank calls it. What is learned of the shards is kept in `out`/cache, if there is an `out`.
    Raises WebbodyError.
    """
    data, seed, resources = settings["data"], settings["seed"], settings["resources"]
    rank, ranks = rank_and_ranks(None)
    read = partial(_table, settings["out"], say)
    table = read(data["sources"])
    validation = settings["validation"]
    held = None
    if validation["gallery"]:
        read_held = partial(read, split=validation["split"])
        held = held_out(validation["gallery"], validation["queries"], read_held)
    sets = int(table.dataset.max()) + 1
    with _from_settings("data"):
        weights = data["weights"] or [1.0] * sets
        shown = repeats(table.dataset, table.visible, weights, data["oversampling"])
        order = Order(shown, seed)
    steps = _plan(settings, order, ranks)
    trainer = _trainer(settings, table, sets, device)
    with _from_settings("resources"):
        loader = Loader(
            table,
            order,
            trainer.model.image_size,
            rank=rank,
            ranks=ranks,
            workers=resources["workers"],
            device=device,
            decode_on_device=resources["decode"] == "cuda",
        )
    return TrainState(table, order, steps, trainer, loader, held)


def _plan(settings: Mapping[str, Any], order: Order, ranks: int) -> Sequence[TrainingStep]:
    optimization, law = settings["optimization"], settings["tokens"]
    multiple = optimization["batch_multiple"]
    if multiple % ranks:
        raise WebbodyError(
            f"{ranks} processes cannot share batches that are multiples of {multiple}: set "
            f"optimization.batch_multiple to a multiple of {ranks}, at the start of a run"
        )
    with _from_settings("tokens"):
        kept = KeptTokens(law["min"], law["max"], law["decay"])
    with _from_settings("optimization"):
        batches = Batches(kept, optimization["batch"], optimization["batch_rule"], multiple)
        return plan(
            batches,
            samples=round(optimization["epochs"] * order.epoch_length),
            warmup=round(optimization["warmup_epochs"] * order.epoch_length),
            rate=optimization["learning_rate"],
            seed=settings["seed"],
            token_multiple=law["multiple"],
        )


def _trainer(settings: Mapping[str, Any], table: Table, sets: int, device: str) -> Trainer:
    optimization, seed = settings["optimization"], settings["seed"]
    arguments = {"datasets": sets, **settings["model"]["arguments"]}
    # Every rank begins with the same weights.
    torch.manual_seed(seed)
    with _from_settings("model.arguments"):
        model = SapiensID(**{**PRESETS[settings["model"]["preset"]], **arguments})
    with _from_settings("augmentation"):
        augment = Augment(**settings["augmentation"])
    with _from_settings("optimization"):
        classifier = PartialFC(
            model.feature_dim,
            table.classes,
            AdaFace(optimization["margin"], scale=optimization["scale"]),
            sample_rate=optimization["sample_rate"],
            seed=seed,
        )
    precision, compiled = (settings["resources"][key] for key in ("precision", "compile"))
    return Trainer(
        model,
        classifier,
        augment=augment,
        weight_decay=optimization["weight_decay"],
        max_grad_norm=optimization["max_grad_norm"],
        seed=seed,
        device=device,
        mixed_precision=precision == "bfloat16"
        or (precision == "auto" and device.startswith("cuda")),
        compiled=compiled == "yes" or (compiled == "auto" and device.startswith("cuda")),
    )


def _table(out: str, say: Say, sources: Sequence[str], split: str = "train") -> Table:
    """The samples; the first rank reads the shards, the others what it has left."""
    cache = Path(out) / "cache" if out else None
    rank, ranks = rank_and_ranks(None)
    if ranks == 1:
        return read_table(sources, cache, split=split, tell=_Scanning(say))
    if rank == 0:
        table = read_table(sources, cache, split=split, tell=_Scanning(say))
    group = dist.new_group(backend="gloo", timeout=_PATIENCE)
    assert isinstance(group, dist.ProcessGroup)  # every rank is in it
    dist.barrier(group)
    dist.destroy_process_group(group)
    return table if rank == 0 else read_table(sources, cache, split=split)


class _Scanning:
    """Tells now and then how many shards have been read for the first time."""

    def __init__(self, say: Say) -> None:
        self._say, self._told = say, time.monotonic()

    def __call__(self, shards: int, of: int, samples: int) -> None:
        now = time.monotonic()
        if now - self._told >= _INTERVAL:
            self._told = now
            self._say(f"Reading the shards once: {shards:,} of {of:,}, {samples:,} samples.")


@contextmanager
def _from_settings(section: str) -> Iterator[None]:
    """What is made of the settings of a section refuses wrong ones: told as the user's error."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise WebbodyError(f"{section}: {error}") from error
