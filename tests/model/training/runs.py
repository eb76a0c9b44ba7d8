"""A small run on made-up people, in one process or in several, whole or resumed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from model import SapiensID
from model.losses import AdaFace, PartialFC
from model.sapiensid.masking import KeptTokens
from model.training import checkpoint
from model.training.processes import leave_processes
from model.training.steps.augment import Augment
from model.training.steps.classifier_trainer import StepSamples
from model.training.steps.plan import TrainingStep, plan
from model.training.steps.schedule import Batches
from model.training.steps.trainer import Trainer
from tests.model.sapiensid.people import standing

SIZE, CLASSES, MANY = 96, 6, 401
RUN = {"seed": 7}


def steps() -> list[TrainingStep]:
    distribution = KeptTokens(min=40, max=110)
    return list(
        plan(Batches(distribution, 8, multiple=4), samples=48, warmup=12, rate=1e-4, seed=7)
    )


def samples(step: TrainingStep, rank: int, ranks: int) -> StepSamples:
    """A rank's share of a step, the same people whatever the number of ranks."""
    places = range(step.start + rank, step.start + step.size, ranks)
    images, points = [], []
    for place in places:
        random = torch.Generator().manual_seed(place)
        images.append(torch.randint(256, (3, SIZE, SIZE), generator=random, dtype=torch.uint8))
        points.append(standing(1, seed=place)[0])
    labels = torch.tensor([place % CLASSES for place in places])
    return StepSamples(torch.stack(images), torch.stack(points), labels, labels % 2)


def trainer(rate: float = 1.0) -> Trainer:
    """A share of the classes below 1 is one of many more classes."""
    torch.manual_seed(0)
    model = SapiensID(2, 32, 2, 16, image_size=SIZE, datasets=2, keypoint_bias=32, drop_path=0.2)
    classes = CLASSES if rate == 1 else MANY
    classifier = PartialFC(16, classes, AdaFace(), rate, seed=3)
    return Trainer(model, classifier, augment=Augment(), weight_decay=0.1, seed=7)


def run(folder: Path, begin: int = 0, end: int | None = None, rate: float = 1.0) -> list[float]:
    """Steps begin ... end - 1; goes on from the folder's newest checkpoint and leaves one."""
    one = trainer(rate)
    if begin:
        assert checkpoint.load(checkpoint.checkpoints(folder)[-1], one, RUN) == begin
    rank, ranks = one.classifier.rank, one.classifier.ranks
    todo = steps()[begin:end]
    losses = [one.step(step, samples(step, rank, ranks)).loss.item() for step in todo]
    checkpoint.save(folder, one, begin + len(todo), RUN, keep=2)
    return losses


def in_processes(
    ranks: int, root: Path, folder: Path, begin: int = 0, end: int | None = None, rate: float = 1.0
) -> list[list[float]]:
    """`run` in as many gloo processes; the losses that each of them saw."""
    root.mkdir(parents=True, exist_ok=True)
    multiprocessing.spawn(_process, (ranks, root, folder, begin, end, rate), nprocs=ranks)
    return [torch.load(root / f"{rank}.pt") for rank in range(ranks)]


@contextmanager
def joined(rank: int, ranks: int, root: Path) -> Iterator[None]:
    """One of several gloo processes, which meet in a file of the folder."""
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    wait = timedelta(seconds=60)
    meet = f"file://{root}/meet"
    dist.init_process_group("gloo", meet, rank=rank, world_size=ranks, timeout=wait)
    try:
        yield
    finally:
        leave_processes()


def _process(rank: int, ranks: int, root: Path, *arguments: Any) -> None:
    with joined(rank, ranks, root):
        torch.save(run(*arguments), root / f"{rank}.pt")
