"""A few steps on synthetic images: their time and memory.

Shape suffixes: B samples of this rank, C channels, S side of an image, K keypoints.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.training.estimate.footprint import memory, saved_bytes
from model.training.steps.classifier_trainer import ClassifierTrainer, StepSamples
from model.training.steps.plan import TrainingStep
from model.training.stopping import on_any_rank
from webbody.skeleton import COUNT

#: Token counts that are tried; time is interpolated between them.
_COUNTS = {"cuda": 5, "cpu": 3}
#: On a CPU a few images are tried, and time is scaled to the batch size.
_FEW = 8


@dataclass(frozen=True)
class Trial:
    """Bytes kept for the backward pass in the largest step, the device's peak (None on a CPU), and
    seconds of each of the run's steps; None where nothing could be tried."""

    activations: float | None
    peak: int | None
    seconds: NDArray[np.float64] | None


def run_trial(trainer: ClassifierTrainer, steps: Sequence[TrainingStep]) -> Trial:
    """Try the smallest and the largest token counts of a run's steps and some between them.

    Every rank calls it. The weights are unchanged; the batch norms' statistics are not.
    """
    ranks = trainer.classifier.ranks
    cuda = trainer.device.type == "cuda"
    # Gradients and moments come with the first step.
    known = memory(trainer, None, None)
    if on_any_rank(known.gradients + known.moments > known.free, trainer):
        return Trial(None, None, None)
    sizes: dict[int, int] = {}
    for step in steps:  # the last takes what is left
        sizes[step.tokens] = max(sizes.get(step.tokens, 0), step.size // ranks)
    counts = sorted(sizes)
    places = np.linspace(0, len(counts) - 1, min(len(counts), _COUNTS[trainer.device.type]))
    chosen = [counts[i] for i in dict.fromkeys(places.round().astype(int).tolist())]
    least = -(-2 // ranks)  # batch norm needs two samples of all ranks
    few = {n: max(least, sizes[n] if cuda else min(sizes[n], _FEW)) for n in chosen}
    try:
        _seconds(trainer, chosen[0], least, 1)  # whatever happens once
        fixed = _seconds(trainer, chosen[0], least, 2)
        seconds = {n: _seconds(trainer, n, size, 2 if cuda else 1) for n, size in few.items()}
        activations, peak = _kept(trainer, {n: (few[n], sizes[n]) for n in chosen})
    except torch.OutOfMemoryError:
        return Trial(None, None, None)
    first = chosen[0]
    each = max(seconds[first] - fixed, 0.0) / max(few[first] - least, 1)
    # A step costs something whatever its size: what the images do not explain.
    base = min(max(0.0, fixed - least * each), *seconds.values())
    per_image = [(seconds[n] - base) / few[n] for n in chosen]
    tokens = np.array([step.tokens for step in steps])
    share = np.array([step.size / ranks for step in steps])
    return Trial(activations, peak, base + np.interp(tokens, chosen, per_image) * share)


def _kept(
    trainer: ClassifierTrainer, sizes: dict[int, tuple[int, int]]
) -> tuple[float, int | None]:
    """Bytes kept for the backward pass in the largest step, and the peak of a CUDA device.

    sizes: for token counts the images that were tried and those of the run's steps.
    """
    device = trainer.device
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        known = memory(trainer, None, None)
        return max(0, peak - known.weights - known.gradients - known.moments), peak
    found = []
    for tokens in (min(sizes), max(sizes)):
        few, size = sizes[tokens]
        with saved_bytes() as kept:
            _step(trainer, tokens, few)
        found.append(sum(kept.values()) / few * size)
    return max(found), None


def _seconds(trainer: ClassifierTrainer, tokens: int, size: int, times: int) -> float:
    """The shortest of a few steps."""
    found = []
    for _ in range(times):
        begin = time.monotonic()
        _step(trainer, tokens, size)
        if trainer.device.type == "cuda":
            torch.cuda.synchronize(trainer.device)
        found.append(time.monotonic() - begin)
    return min(found)


def _step(trainer: ClassifierTrainer, tokens: int, size: int) -> None:
    step = TrainingStep(0, 0, size * trainer.classifier.ranks, tokens, rate=0.0)
    trainer.step(step, _synthetic_samples(trainer, size))


def _synthetic_samples(trainer: ClassifierTrainer, size: int) -> StepSamples:
    """Noise with keypoints all over it, as the loader gives samples."""
    side, random = trainer.image_size, torch.Generator().manual_seed(0)
    images_BSSC = torch.randint(256, (size, side, side, 3), generator=random, dtype=torch.uint8)
    points_BK3 = torch.rand(size, COUNT, 3, generator=random)
    points_BK3[..., 2] = 1
    labels_B = torch.arange(size) % trainer.classifier.classes
    return StepSamples(
        images_BSSC.permute(0, 3, 1, 2), points_BK3, labels_B, torch.zeros_like(labels_B)
    )
