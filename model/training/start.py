"""Everything of a run, put together from its settings: data, plan, model, trainer."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from model.losses import AdaFace, PartialFC
from model.sapiensid.masking import KeptTokens
from model.sapiensid.sapiensid import PRESETS, SapiensID
from model.shard_samples import BadShard
from model.training.augment import Augment
from model.training.loader import Loader
from model.training.order import Order, repeats
from model.training.plan import plan
from model.training.run import Diverged, Habits, Progress, train
from model.training.schedule import Batches
from model.training.table import Table, read_table
from model.training.trainer import Trainer


class TrainingError(ValueError):
    """Something about the data, the settings or the run that the user can mend."""


def start(
    settings: Mapping[str, Any], say: Callable[[str], None], report: Callable[[Progress], None]
) -> bool:
    """Trains as `settings` (the mapping of webbody.train_config.TrainConfig) tell.

    Joins the processes of torchrun, where it was started by it. `say` gets a few sentences about
    the run, `report` its progress. Returns False if it was asked to stop. The model is left in
    `out`/model. Raises TrainingError.
    """
    try:
        device = _device(settings["resources"]["device"])
        with _Processes(device):
            return _run(settings, device, say, report)
    except (BadShard, Diverged, FileNotFoundError, ValueError) as error:
        raise TrainingError(str(error)) from error


def _run(
    settings: Mapping[str, Any],
    device: str,
    say: Callable[[str], None],
    report: Callable[[Progress], None],
) -> bool:
    folder, data, seed = Path(settings["out"]), settings["data"], settings["seed"]
    resources, optimization = settings["resources"], settings["optimization"]
    ranks = dist.get_world_size() if dist.is_initialized() else 1
    rank = dist.get_rank() if dist.is_initialized() else 0
    table = _table(data["sources"], folder, rank)
    sets = int(table.dataset.max()) + 1
    weights = data["weights"] or [1.0] * sets
    order = Order(repeats(table.dataset, table.visible, weights, data["oversampling"]), seed)
    law, multiple = settings["tokens"], optimization["batch_multiple"]
    if multiple % ranks:
        raise TrainingError(
            f"{ranks} processes cannot share batches that are multiples of {multiple}: set "
            f"optimization.batch_multiple to a multiple of {ranks}, at the start of a run"
        )
    batches = Batches(
        KeptTokens(law["least"], law["most"], law["decay"]),
        largest=optimization["batch"],
        rule=optimization["batch_rule"],
        multiple=multiple,
    )
    steps = plan(
        batches,
        samples=round(optimization["epochs"] * order.epoch_length),
        warmup=round(optimization["warmup_epochs"] * order.epoch_length),
        rate=optimization["rate"],
        seed=seed,
        token_multiple=law["multiple"],
    )
    trainer = _trainer(settings, table, sets, device)
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
    say(
        f"{len(table):,} images of {table.classes:,} people in {len(table.shards)} shards; "
        f"{len(steps):,} steps, {order.epoch_length:,} images an epoch."
    )
    ended = train(
        trainer,
        steps,
        loader,
        folder / "checkpoints",
        _identity(settings, table, trainer),
        Habits(resources["checkpoint_steps"], resources["keep"], resources["log_seconds"]),
        report,
    )
    if ended and rank == 0:
        trainer.model.save_pretrained(folder / "model")
    return ended


def _trainer(settings: Mapping[str, Any], table: Table, sets: int, device: str) -> Trainer:
    optimization, seed = settings["optimization"], settings["seed"]
    arguments = {"datasets": sets, **settings["model"]["arguments"]}
    # Every rank begins with the same weights.
    torch.manual_seed(seed)
    try:
        model = SapiensID(**{**PRESETS[settings["model"]["preset"]], **arguments})
    except TypeError as error:
        raise TrainingError(f"model.arguments: {error}") from error
    classifier = PartialFC(
        model.feature_dim,
        table.classes,
        AdaFace(optimization["margin"]),
        rate=optimization["classes_in_use"],
        seed=seed,
    )
    precision = settings["resources"]["precision"]
    return Trainer(
        model,
        classifier,
        augment=Augment(**settings["augmentation"]),
        weight_decay=optimization["weight_decay"],
        clip=optimization["clip"],
        seed=seed,
        device=device,
        mixed_precision=precision == "bfloat16"
        or (precision == "auto" and device.startswith("cuda")),
    )


def _table(sources: Sequence[str], folder: Path, rank: int) -> Table:
    """The samples; the first rank reads the shards, the others what it has left."""
    if rank == 0:
        read_table(sources, folder / "cache")
    if dist.is_initialized():
        dist.barrier()
    return read_table(sources, folder / "cache")


def _identity(settings: Mapping[str, Any], table: Table, trainer: Trainer) -> dict[str, Any]:
    """What must be equal for a run to go on: all that changes its result."""
    model = {k: v for k, v in trainer.model.config.items() if k != "regions"}
    sections = {k: settings[k] for k in ("augmentation", "tokens", "optimization", "seed")}
    data = {k: settings["data"][k] for k in ("weights", "oversampling")}
    identity = {
        **{f"model.{k}": v for k, v in model.items()},
        **{f"data.{k}": list(v) if isinstance(v, tuple) else v for k, v in data.items()},
        "data": table.digest,
        "precision": trainer.mixed_precision,
        "seed": sections.pop("seed"),
    }
    for name, section in sections.items():
        for key, value in section.items():
            identity[f"{name}.{key}"] = list(value) if isinstance(value, tuple) else value
    return identity


def _device(wanted: str) -> str:
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise TrainingError("resources.device is cuda, but torch sees no GPU here")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if wanted == "cuda" else wanted


class _Processes:
    """torch.distributed for as long as the run lasts, if torchrun has started this process."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.several = "WORLD_SIZE" in os.environ and not dist.is_initialized()

    def __enter__(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.set_device(self.device)
        if self.several:
            dist.init_process_group("nccl" if self.device.startswith("cuda") else "gloo")

    def __exit__(self, *_: object) -> None:
        if self.several and dist.is_initialized():
            dist.destroy_process_group()
