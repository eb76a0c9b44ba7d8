"""The dry run: memory and time of a training."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from model.training.builders import TrainState, assemble
from model.training.data.loader import Loader
from model.training.estimate.footprint import Memory, memory
from model.training.estimate.trial import run_trial
from model.training.parts import Say
from model.training.processes import on_device
from model.training.steps.plan import TrainingStep

#: Builds the parts of a run from its settings, for a device.
Assemble = Callable[[Mapping[str, Any], str, Say], TrainState]
#: Pictures that are decoded to measure the speed.
_PICTURES = 64


@dataclass(frozen=True)
class Speed:
    """How long a run takes, in seconds, without validation and checkpoints.

    step: the mean step's arithmetic. loading: images per second that the loaders of all processes
    give together. total: of the run.
    """

    step: float
    loading: float
    total: float


@dataclass(frozen=True)
class TrainingEstimate:
    """The estimate of a run.

    parameters: of the model, by part. classifier: parameters of this process's share, of `people`
    people over `ranks` processes. largest: images of a process in the largest batch. images: in
    all steps. tokens: mean of an image. memory: of a process. checkpoint: bytes, of all processes.
    speed: None where a step was too large to be tried.
    """

    parameters: dict[str, int]
    classifier: int
    people: int
    ranks: int
    device: str
    steps: int
    images: int
    tokens: float
    largest: int
    memory: Memory
    checkpoint: int
    speed: Speed | None


def dry_run(settings: Mapping[str, Any], say: Say, put: Assemble = assemble) -> TrainingEstimate:
    """Puts a run together, as `start` does, and tries a few steps on made-up images.

    `put` builds the parts: those of SapiensID. Every rank calls it. Writes nothing but the cache in
    `out`, if there is one. Raises WebbodyError.
    """
    with on_device(settings) as device:
        return _estimate(put(settings, device, say), settings)


def _estimate(parts: TrainState, settings: Mapping[str, Any]) -> TrainingEstimate:
    trainer, steps = parts.trainer, parts.steps
    classifier = trainer.classifier
    ranks = classifier.ranks
    images = sum(step.size for step in steps)
    trial = run_trial(parts.trainer, parts.steps)
    speed = None
    if trial.seconds is not None:
        compute = float(trial.seconds.sum())
        loading = _loading(parts, settings["resources"]["workers"])
        reading = images / loading
        # Without processes of its own the loader works while the device waits.
        total = max(compute, reading) if settings["resources"]["workers"] else compute + reading
        speed = Speed(compute / len(steps), loading, total)
    model_bytes = sum(t.numel() * t.element_size() for t in trainer.model.state_dict().values())
    weights = sum(p.numel() for p in trainer.model.parameters())
    all_rows = classifier.classes * classifier.width
    return TrainingEstimate(
        parameters=_by_part(trainer.model),
        classifier=classifier.weight.numel(),
        people=classifier.classes,
        ranks=ranks,
        device=str(trainer.device),
        steps=len(steps),
        images=images,
        tokens=sum(step.size * step.tokens for step in steps) / images,
        largest=max(step.size for step in steps) // ranks,
        memory=memory(trainer, trial.activations, trial.peak),
        # Weights and two moments of four bytes.
        checkpoint=model_bytes + 8 * weights + 12 * all_rows,
        speed=speed,
    )


def _loading(parts: TrainState, workers: int) -> float:
    """Images per second, from what one process can do; cores are shared by a machine's ranks."""
    count = min(_PICTURES, len(parts.table))
    loader = Loader(parts.table, parts.order, parts.trainer.image_size)
    begin = time.monotonic()
    next(iter(loader([TrainingStep(0, 0, count, 1, 0.0)])))
    alone = count / (time.monotonic() - begin)
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = max(1.0, (os.cpu_count() or 1) / beside)
    return alone * min(max(workers, 1), cores) * parts.trainer.classifier.ranks


def _by_part(model: nn.Module) -> dict[str, int]:
    """Parameters of the model's parts, those without any left out."""
    while len(children := list(model.children())) == 1:
        (model,) = children
    found = {"tokens": sum(p.numel() for p in model.parameters(recurse=False))}
    found |= {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    return {name: count for name, count in found.items() if count}
