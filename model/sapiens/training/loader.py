"""Samples of each training step, read, decoded and augmented ahead by processes of their own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from model.losses.collectives import rank_and_ranks
from model.sapiens.training.sources import TrainingSamples
from model.training.data.order import Order, share
from model.training.steps.plan import TrainingStep
from webbody.errors import WebbodyError
from webbody.images import ImageError

#: Batches that each process prepares ahead.
_AHEAD = 2
#: Unreadable samples that are always tolerated, and the share of all beyond them.
_FEW, _SHARE = 10, 0.01

Batch = dict[str, Tensor]


class SampleLoader:
    """Called with steps, gives this rank's samples of each: tensors by name, (B, ...).

    A sample is augmented by a generator that is seeded with the run's seed and the sample's
    position, so that it depends neither on the number of ranks nor on that of processes, nor on
    where a run was resumed. One that cannot be read is replaced by the next and counted; more than
    a few, and more than 1 % of what was read, end the run with a WebbodyError that names one.
    """

    def __init__(
        self,
        source: TrainingSamples,
        order: Order,
        *,
        seed: int,
        rank: int = 0,
        ranks: int = 1,
        workers: int = 0,
        pin: bool = False,
    ) -> None:
        self._read = _ReadBatch(source, seed)
        self._order, self._rank, self._ranks = order, rank, ranks
        self._workers, self._pin = workers, pin
        self.read, self.unreadable = 0, Counter[str]()

    def __call__(self, steps: Sequence[TrainingStep]) -> Iterator[Batch]:
        """This rank's samples of each step."""
        for step in steps:
            if step.size % self._ranks:
                raise ValueError(f"{self._ranks} ranks cannot share {step.size} samples evenly")
        for batch, problems in DataLoader(
            self._read,
            batch_size=None,  # an index is a whole batch
            sampler=self._requests(steps),
            num_workers=self._workers,
            prefetch_factor=_AHEAD if self._workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=_begin if self._workers else None,
            multiprocessing_context="fork" if self._workers else None,
            pin_memory=self._pin,
            generator=torch.Generator(),
        ):
            self._count(len(next(iter(batch.values()))), problems)
            yield batch

    def _requests(self, steps: Sequence[TrainingStep]) -> Iterator[list[tuple[int, int]]]:
        for step in steps:
            ids = share(self._order.take(step.start, step.size), self._rank, self._ranks)
            places = range(step.start + self._rank, step.start + step.size, self._ranks)
            yield list(zip(ids.tolist(), places, strict=True))

    def _count(self, read: int, problems: list[str]) -> None:
        self.read += read
        self.unreadable.update(problems)
        count = self.unreadable.total()
        if count > max(_FEW, _SHARE * self.read):
            worst = problems[-1] if problems else next(iter(self.unreadable))
            raise WebbodyError(
                f"{count:,} of {self.read:,} samples could not be read, more than {_SHARE:.0%}; "
                f"the last: {worst}"
            )


def loader_of(source: TrainingSamples, seed: int, workers: int, device: str) -> SampleLoader:
    """This rank's loader of a source whose samples are all shown equally often."""
    rank, ranks = rank_and_ranks(None)
    return SampleLoader(
        source,
        Order(np.ones(len(source)), seed),
        seed=seed,
        rank=rank,
        ranks=ranks,
        workers=workers,
        pin=device.startswith("cuda"),
    )


class _ReadBatch(Dataset[tuple[Batch, list[str]]]):
    """Samples of a source at positions, stacked, and what could not be read."""

    def __init__(self, source: TrainingSamples, seed: int) -> None:
        self._source, self._seed = source, seed

    def __getitem__(self, wanted: list[tuple[int, int]]) -> tuple[Batch, list[str]]:
        problems: list[str] = []
        samples = [self._sample(index, place, problems) for index, place in wanted]
        names = samples[0]
        return {
            name: torch.from_numpy(np.stack([sample[name] for sample in samples])) for name in names
        }, problems

    def _sample(self, index: int, place: int, problems: list[str]) -> Any:
        for _ in range(len(self._source)):
            try:
                return self._source.sample(index, np.random.default_rng((self._seed, place)))
            except (OSError, ValueError, ImageError, WebbodyError) as error:
                problems.append(f"{self._source.name(index)} ({' '.join(str(error).split())})")
            index = (index + 1) % len(self._source)
        raise WebbodyError(f"none of {len(self._source):,} samples can be read: {problems[-1]}")


def _begin(worker: int) -> None:
    torch.set_num_threads(1)


def _as_it_is(batch: Any) -> Any:
    return batch
