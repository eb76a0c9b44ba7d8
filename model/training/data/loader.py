"""The loader: samples of each training step, read and decoded ahead.

Shape suffixes: B samples of this rank, C channels, S side of an image, K keypoints, P what is
needed to find a picture, N buffers.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from model.training.data.decoding import (
    DecodeRequests,
    Done,
    PictureReader,
    decode_files,
    shared_buffers,
)
from model.training.data.order import Order, share
from model.training.data.table import Table
from model.training.steps.classifier_trainer import StepSamples
from model.training.steps.plan import TrainingStep
from webbody.errors import WebbodyError

#: Batches that each process prepares ahead.
_AHEAD = 2
#: Unreadable pictures that are always tolerated.
_FEW = 10
#: Of positions (B,) in the order: which samples need their foregrounds.
Needed = Callable[[NDArray[np.int64]], NDArray[np.bool_]]


class Loader:
    """Called with steps, gives this rank's samples of each, in their order.

    side: of the square images. workers: processes that read and decode; with 0 this one does.
    device: where the samples will be used; for CUDA images lie in pinned memory. decode_on_device:
    workers only read, CUDA decodes. Samples depend on no choice of workers, nor do those of all
    ranks together on their number; CUDA decodes to slightly other pixels.

    foregrounds: samples come with theirs; it tells of positions in the order which are needed. One
    that is not, or that a sample does not have, is foreground everywhere.

    A picture that is unreadable, or whose foreground is, is replaced by the next readable sample of
    the table and counted. Raises WebbodyError where more than the share `unreadable` of what was
    read, and more than a few, are.
    """

    def __init__(
        self,
        table: Table,
        order: Order,
        side: int,
        *,
        rank: int = 0,
        ranks: int = 1,
        workers: int = 0,
        device: str = "cpu",
        decode_on_device: bool = False,
        foregrounds: Needed | None = None,
        unreadable: float = 0.01,
    ) -> None:
        if decode_on_device and not device.startswith("cuda"):
            raise ValueError(f"pictures can be decoded on a CUDA device, not on {device}")
        if not 0 <= unreadable < 1:
            raise ValueError(
                f"the share of unreadable pictures must be in [0, 1), not {unreadable}"
            )
        self.read, self.unreadable = 0, Counter[str]()
        self._table, self._order, self._side = table, order, side
        self._rank, self._ranks, self._workers = rank, ranks, workers
        self._device, self._on_device, self._limit = device, decode_on_device, unreadable
        self._spare_SSC = torch.empty(side, side, 3, dtype=torch.uint8)
        self._foregrounds = foregrounds
        self._spare_mask_SS = torch.empty(side, side, dtype=torch.uint8)
        self._spare = PictureReader(
            table.shards, self._spare_SSC[None, None], False, self._spare_mask_SS[None, None]
        )

    def __call__(self, steps: Sequence[TrainingStep]) -> Iterator[StepSamples]:
        """The samples of each step; images (B, C, S, S) lie in memory as (B, S, S, C).

        On the CPU they lie in a buffer: they stay as they are until the next are asked for.
        """
        for step in steps:
            if step.size % self._ranks:
                raise ValueError(f"{self._ranks} ranks cannot share {step.size} samples evenly")
        batches = self._batches(steps)
        return _prefetch_one(batches) if self._device.startswith("cuda") else batches

    def _batches(self, steps: Sequence[TrainingStep]) -> Iterator[StepSamples]:
        largest = max((step.size for step in steps), default=self._ranks) // self._ranks
        # One for each batch that is being prepared or waits, and the one that is in use.
        count = max(1, self._workers * _AHEAD) + 1
        buffers_NBSSC = shared_buffers(count, largest, self._side)
        masks_NBSS = None
        if self._foregrounds is not None:
            masks_NBSS = shared_buffers(count, largest, self._side, channels=1)[..., 0]
        free = deque(range(len(buffers_NBSSC)))
        asked: deque[tuple[NDArray[np.int64], NDArray[np.int64]]] = deque()

        def requests() -> Iterator[DecodeRequests]:
            for step in steps:
                ids = share(self._order.take(step.start, step.size), self._rank, self._ranks)
                positions = share(
                    np.arange(step.start, step.start + step.size), self._rank, self._ranks
                )
                asked.append((ids, positions))
                yield self._request(free.popleft(), ids, positions)

        for done in self._workers_on(requests(), buffers_NBSSC, masks_NBSS):
            ids, positions = asked.popleft()
            masks_BSS = None if masks_NBSS is None else masks_NBSS[done.buffer, : len(ids)]
            if masks_BSS is not None and self._device.startswith("cuda"):
                masks_BSS = masks_BSS.pin_memory()
            if done.jpegs is None:
                images_BSSC, unreadable = buffers_NBSSC[done.buffer, : len(ids)], done.unreadable
                if self._device.startswith("cuda"):
                    images_BSSC = images_BSSC.pin_memory()
            else:
                images_BSSC, unreadable = decode_files(done, self._side, self._device)
                unreadable = done.unreadable | unreadable
            yield self._samples(ids, positions, images_BSSC, masks_BSS, unreadable)
            free.append(done.buffer)

    def _request(
        self, buffer: int, ids: NDArray[np.int64], positions: NDArray[np.int64]
    ) -> DecodeRequests:
        places_BP, masks_BP = self._table.places(ids, self._side), None
        if self._foregrounds is not None:
            masks_BP = self._table.foregrounds(ids) * self._foregrounds(positions)[:, None]
        return DecodeRequests(buffer, places_BP, masks_BP)

    def _workers_on(
        self,
        requests: Iterator[DecodeRequests],
        buffers_NBSSC: Tensor,
        masks_NBSS: Tensor | None,
    ) -> Iterable[Done]:
        return DataLoader(
            PictureReader(self._table.shards, buffers_NBSSC, self._on_device, masks_NBSS),
            batch_size=None,  # an index is a whole batch
            sampler=requests,
            num_workers=self._workers,
            prefetch_factor=_AHEAD if self._workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=_begin if self._workers else None,
            multiprocessing_context="fork" if self._workers else None,  # shares the buffers
            # Its own, as drawing a seed for workers would move the run's random state.
            generator=torch.Generator(),
        )

    def _samples(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        images_BSSC: Tensor,
        masks_BSS: Tensor | None,
        unreadable: dict[int, str],
    ) -> StepSamples:
        self.read += len(ids)
        for i, reason in unreadable.items():
            ids[i] = self._replacement(int(ids[i]), positions[i : i + 1], reason)
            images_BSSC[i] = self._spare_SSC
            if masks_BSS is not None:
                masks_BSS[i] = self._spare_mask_SS
        return StepSamples(
            images_BSSC.permute(0, 3, 1, 2),
            torch.from_numpy(self._table.keypoints[ids]),
            torch.from_numpy(self._table.label[ids]),
            torch.from_numpy(self._table.dataset[ids].astype(np.int64)),
            masks_BSS,
        )

    def _replacement(self, id: int, position: NDArray[np.int64], reason: str) -> int:
        """The next sample that can be read; its image and mask are left in the spare buffers.

        It is not taken from the batch: which one it is shall not depend on the number of ranks.
        """
        while True:
            self._count(id, reason)
            id = (id + 1) % len(self._table)
            done = self._spare[self._request(0, np.array([id]), position)]
            self.read += 1
            if not done.unreadable:
                return id
            reason = done.unreadable[0]

    def _count(self, id: int, reason: str) -> None:
        self.unreadable[self._table.shards[self._table.shard[id]]] += 1
        count = self.unreadable.total()
        if count > max(_FEW, self._limit * self.read):
            shard, worst = self.unreadable.most_common(1)[0]
            raise WebbodyError(
                f"{count:,} of {self.read:,} pictures could not be read, more than "
                f"{self._limit:.1%}; {worst:,} of them in {shard} (the last: {reason.strip()})"
            )


def _begin(worker: int) -> None:
    torch.set_num_threads(1)


def _as_it_is(pictures: Any) -> Any:
    return pictures


def _prefetch_one(batches: Iterator[StepSamples]) -> Iterator[StepSamples]:
    """The same batches, each prepared in a thread while the previous one is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch
