"""The samples of each training step, read and decoded ahead of it.

Shape suffixes: B samples of this rank, C channels, S side of an image, K keypoints, P what is
needed to find a picture.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from model.shard_samples import BadShard
from model.training.decoding import PictureReader, Pictures, decode_files
from model.training.order import Order, share
from model.training.plan import Step
from model.training.table import Table
from model.training.trainer import Samples

#: Unreadable pictures that are never too many.
_FEW = 10


class Loader:
    """Called with steps, gives this rank's samples of each, in their order.

    side: of the square images. workers: processes that read and decode; with 0 this one does.
    device: where the samples will be used; for CUDA images lie in pinned memory. decode_on_device:
    workers only read, CUDA decodes. Samples depend on no choice of workers, nor do those of all
    ranks together on their number; CUDA decodes to slightly other pixels.

    An unreadable picture is replaced by the next readable sample of the table and counted. Raises
    BadShard where more than the share `unreadable` of what was read, and more than a few, are.
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
        self._spare = PictureReader(table.shards, side)

    def __call__(self, steps: Iterable[Step]) -> Iterator[Samples]:
        """The samples of each step; images (B, C, S, S) lie in memory as (B, S, S, C)."""
        batches = self._batches(steps)
        return _one_ahead(batches) if self._on_device else batches

    def _batches(self, steps: Iterable[Step]) -> Iterator[Samples]:
        asked: deque[NDArray[np.int64]] = deque()
        for pictures in self._pictures(self._places(steps, asked)):
            if pictures.images_BSSC is None:
                pictures = decode_files(pictures, self._side, self._device)
            yield self._samples(asked.popleft(), pictures)

    def _pictures(self, places: Iterable[NDArray[np.int64]]) -> Iterable[Pictures]:
        return DataLoader(
            PictureReader(self._table.shards, self._side, self._on_device),
            batch_size=None,  # an index is a whole batch
            sampler=places,
            num_workers=self._workers,
            collate_fn=_as_it_is,
            pin_memory=self._device.startswith("cuda"),
            worker_init_fn=_begin if self._workers else None,
            # Its own, as drawing a seed for workers would move the run's random state.
            generator=torch.Generator(),
        )

    def _places(
        self, steps: Iterable[Step], asked: deque[NDArray[np.int64]]
    ) -> Iterator[NDArray[np.int64]]:
        """The places of the pictures of each step, noting which samples they are."""
        for step in steps:
            if step.size % self._ranks:
                raise ValueError(f"{self._ranks} ranks cannot share {step.size} samples evenly")
            ids = share(self._order.take(step.start, step.size), self._rank, self._ranks)
            asked.append(ids)
            yield self._place(ids)

    def _place(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        table, side = self._table, self._side
        fits_B = (table.width[ids] == side) & (table.height[ids] == side)
        return np.stack([table.shard[ids], table.offset[ids], table.length[ids], fits_B], 1)

    def _samples(self, ids: NDArray[np.int64], pictures: Pictures) -> Samples:
        images_BSSC = pictures.images_BSSC
        assert images_BSSC is not None
        self.read += len(ids)
        for i, reason in pictures.unreadable.items():
            ids[i], image_SSC = self._replacement(int(ids[i]), reason)
            images_BSSC[i] = image_SSC.to(images_BSSC.device)
        return Samples(
            images_BSSC.permute(0, 3, 1, 2),
            torch.from_numpy(self._table.keypoints[ids]),
            torch.from_numpy(self._table.label[ids]),
            torch.from_numpy(self._table.dataset[ids].astype(np.int64)),
        )

    def _replacement(self, id: int, reason: str) -> tuple[int, Tensor]:
        """The next sample that can be read, and its image.

        It is not taken from the batch: which one it is shall not depend on the number of ranks.
        """
        while True:
            self._count(id, reason)
            id = (id + 1) % len(self._table)
            pictures = self._spare[self._place(np.array([id]))]
            self.read += 1
            if not pictures.unreadable:
                assert pictures.images_BSSC is not None
                return id, pictures.images_BSSC[0]
            reason = pictures.unreadable[0]

    def _count(self, id: int, reason: str) -> None:
        self.unreadable[self._table.shards[self._table.shard[id]]] += 1
        count = self.unreadable.total()
        if count > max(_FEW, self._limit * self.read):
            shard, worst = self.unreadable.most_common(1)[0]
            raise BadShard(
                f"{count:,} of {self.read:,} pictures could not be read, more than "
                f"{self._limit:.1%}; {worst:,} of them in {shard} (the last: {reason.strip()})"
            )


def _begin(worker: int) -> None:
    torch.set_num_threads(1)


def _as_it_is(pictures: Any) -> Any:
    return pictures


def _one_ahead(
    batches: Iterator[Samples],
) -> Iterator[Samples]:
    """The same, each made in a thread while the one before is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch
