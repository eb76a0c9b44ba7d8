"""The memory of a training process."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.training.steps.classifier_trainer import ClassifierTrainer


@dataclass(frozen=True)
class Memory:
    """Bytes of a process: weights, gradients, AdamW's moments of model and classifier, what the
    forward pass keeps for the backward pass in the largest step (None where it was not tried), and
    what is free beside the weights. peak: the most that CUDA held, in a step that was tried."""

    weights: int
    gradients: int
    moments: int
    activations: float | None
    peak: int | None
    free: int

    @property
    def total(self) -> float:
        """All that a step needs."""
        if self.peak is not None:
            return self.peak
        return self.weights + self.gradients + self.moments + (self.activations or 0)


def memory(trainer: ClassifierTrainer, activations: float | None, peak: int | None) -> Memory:
    """The memory of a trainer; what only a step can show is given."""
    model = _bytes(trainer.model.parameters())
    buffers = _bytes(trainer.model.buffers())
    classifier = _bytes(trainer.classifier.parameters())
    # Several processes add theirs up in buckets beside the gradients.
    gradients = model * (2 if trainer.classifier.ranks > 1 else 1) + classifier
    return Memory(
        model + buffers + classifier,
        gradients,
        2 * (model + classifier),
        activations,
        peak,
        free_memory(trainer.device),
    )


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            values = dict(line.split(":", 1) for line in file)
        return int(values["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def saved_bytes() -> Iterator[dict[int, int]]:
    """Bytes, by address, of what a step in it keeps for its backward pass, weights left out."""
    found: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield found


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
