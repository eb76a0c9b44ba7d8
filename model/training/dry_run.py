"""What a run will need and how long it will take, before it starts.

Shape suffixes: B samples of this rank, C channels, S side of an image, K keypoints.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from model.training.assembly import Parts, Say, assemble
from model.training.footprint import Memory, memory, saved_bytes
from model.training.loader import Loader
from model.training.plan import Step
from model.training.processes import on_device
from model.training.stopping import agreed
from model.training.trainer import Samples, Trainer

#: Token counts that are tried; between them time is taken to grow evenly.
_COUNTS = {"cuda": 5, "cpu": 3}
#: On a CPU a few images are tried, and more are taken to need as much each.
_FEW = 8
#: Pictures that are read and decoded to learn how fast that is.
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
class Estimate:
    """What is known before a run.

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


def dry_run(settings: Mapping[str, Any], say: Say) -> Estimate:
    """Puts a run together, as `start` does, and tries a few steps on made-up images.

    Every rank calls it. Writes nothing but the cache in `out`, if there is one. Raises
    TrainingError.
    """
    with on_device(settings) as device:
        return _estimate(assemble(settings, device, say), settings)


def _estimate(parts: Parts, settings: Mapping[str, Any]) -> Estimate:
    trainer, steps = parts.trainer, parts.steps
    classifier = trainer.classifier
    ranks = classifier.ranks
    images = sum(step.size for step in steps)
    trial = _tried(parts)
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
    return Estimate(
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


@dataclass(frozen=True)
class _Trial:
    """Bytes kept for the backward pass in the largest step, the device's peak (None on a CPU), and
    seconds of each of the run's steps; None where nothing could be tried."""

    activations: float | None
    peak: int | None
    seconds: np.ndarray | None


def _tried(parts: Parts) -> _Trial:
    trainer, ranks = parts.trainer, parts.trainer.classifier.ranks
    cuda = trainer.device.type == "cuda"
    # Gradients and moments come with the first step.
    known = memory(trainer, None, None)
    if agreed(known.gradients + known.moments > known.free, trainer):
        return _Trial(None, None, None)
    sizes: dict[int, int] = {}
    for step in parts.steps:  # the last takes what is left
        sizes[step.tokens] = max(sizes.get(step.tokens, 0), step.size // ranks)
    counts = sorted(sizes)
    places = np.linspace(0, len(counts) - 1, min(len(counts), _COUNTS[trainer.device.type]))
    chosen = [counts[i] for i in dict.fromkeys(places.round().astype(int).tolist())]
    least = -(-2 // ranks)  # batch norm needs two samples of all ranks
    tried = {n: max(least, sizes[n] if cuda else min(sizes[n], _FEW)) for n in chosen}
    try:
        _seconds(parts, chosen[0], least, 1)  # whatever happens once
        fixed = _seconds(parts, chosen[0], least, 2)
        seconds = {n: _seconds(parts, n, size, 2 if cuda else 1) for n, size in tried.items()}
        activations, peak = _kept(parts, {n: (tried[n], sizes[n]) for n in chosen})
    except torch.OutOfMemoryError:
        return _Trial(None, None, None)
    first = chosen[0]
    each = max(seconds[first] - fixed, 0.0) / max(tried[first] - least, 1)
    # A step costs something whatever its size: what the images do not explain.
    base = min(max(0.0, fixed - least * each), *seconds.values())
    per_image = [(seconds[n] - base) / tried[n] for n in chosen]
    tokens = np.array([step.tokens for step in parts.steps])
    share = np.array([step.size / ranks for step in parts.steps])
    return _Trial(activations, peak, base + np.interp(tokens, chosen, per_image) * share)


def _kept(parts: Parts, sizes: dict[int, tuple[int, int]]) -> tuple[float, int | None]:
    """Bytes kept for the backward pass in the largest step, and the peak of a CUDA device.

    sizes: for token counts the images that were tried and those of the run's steps.
    """
    device = parts.trainer.device
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        known = memory(parts.trainer, None, None)
        return max(0, peak - known.weights - known.gradients - known.moments), peak
    found = []
    for tokens in (min(sizes), max(sizes)):
        tried, size = sizes[tokens]
        with saved_bytes() as kept:
            _step(parts, tokens, tried)
        found.append(sum(kept.values()) / tried * size)
    return max(found), None


def _seconds(parts: Parts, tokens: int, size: int, times: int) -> float:
    """The shortest of a few steps."""
    found = []
    for _ in range(times):
        begin = time.monotonic()
        _step(parts, tokens, size)
        if parts.trainer.device.type == "cuda":
            torch.cuda.synchronize(parts.trainer.device)
        found.append(time.monotonic() - begin)
    return min(found)


def _step(parts: Parts, tokens: int, size: int) -> None:
    trainer = parts.trainer
    step = Step(0, 0, size * trainer.classifier.ranks, tokens, rate=0.0)
    trainer.step(step, _made_up(trainer, size))


def _made_up(trainer: Trainer, size: int) -> Samples:
    """Noise with keypoints all over it, as the loader gives samples."""
    side, random = trainer.model.image_size, torch.Generator().manual_seed(0)
    images_BSSC = torch.randint(256, (size, side, side, 3), generator=random, dtype=torch.uint8)
    points_BK3 = torch.rand(size, trainer.model.keypoints, 3, generator=random)
    points_BK3[..., 2] = 1
    labels_B = torch.arange(size) % trainer.classifier.classes
    return Samples(
        images_BSSC.permute(0, 3, 1, 2), points_BK3, labels_B, torch.zeros_like(labels_B)
    )


def _loading(parts: Parts, workers: int) -> float:
    """Images per second, from what one process can do; cores are shared by a machine's ranks."""
    count = min(_PICTURES, len(parts.table))
    loader = Loader(parts.table, parts.order, parts.trainer.model.image_size)
    begin = time.monotonic()
    next(iter(loader([Step(0, 0, count, 1, 0.0)])))
    alone = count / (time.monotonic() - begin)
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = max(1.0, (os.cpu_count() or 1) / beside)
    return alone * min(max(workers, 1), cores) * parts.trainer.classifier.ranks


def _by_part(model: nn.Module) -> dict[str, int]:
    """Parameters of the model's parts, those without any left out."""
    found = {"tokens": sum(p.numel() for p in model.parameters(recurse=False))}
    found |= {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    return {name: count for name, count in found.items() if count}
