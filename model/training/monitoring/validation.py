"""Validation during training: retrieval among people who are not trained on.

Shape suffixes: N images, M images of this rank, G images of all ranks (padded), F feature size.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from model.evaluation.ranking import Images, evaluate
from model.features.extract import Extractor, TrainedModel
from model.features.samples import Sample
from model.losses.collectives import gather_batch, rank_and_ranks, sum_over_ranks_
from model.prefetch import prefetch
from model.training.data.decoding import DecodeRequests, PictureReader
from model.training.data.order import share
from model.training.data.table import Table
from model.training.monitoring.example_rankings import ExampleRanking, example_rankings
from webbody.errors import WebbodyError

#: Threads of a rank that decode; decoding releases Python's lock.
_THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class HeldOut:
    """The validation set: `table`, and for each image its person, query and gallery flags (N,)."""

    table: Table
    person_N: NDArray[np.int64]
    query_N: NDArray[np.bool_]
    gallery_N: NDArray[np.bool_]


@dataclass(frozen=True)
class ValidationResult:
    """Rank-1 and mAP as fractions, over `queries` queries.

    left_out: images of the gallery without a usable feature, and queries without one or without
    another image of their person.
    """

    rank1: float
    mAP: float
    queries: int
    left_out: int


def read_held_out(
    gallery: Sequence[str], queries: Sequence[str], read: Callable[[list[str]], Table]
) -> HeldOut:
    """The validation set of sources (see `list_shards`), whose tables `read` returns.

    Query source i shows the people of gallery source i. Without query sources, every image of the
    gallery is a query against all the others. Raises WebbodyError if no query has a match.
    """
    if queries and len(queries) != len(gallery):
        raise WebbodyError(
            f"validation.queries: {len(queries)} sources do not belong to the {len(gallery)} of "
            "validation.gallery; give one for each of them, or none"
        )
    if both := set(queries) & set(gallery):
        raise WebbodyError(
            f"validation.queries: {min(both)} is the gallery too; leave the queries away to search "
            "each image among the others"
        )
    table = read([*gallery, *queries])
    query_N = table.dataset >= len(gallery) if queries else np.ones(len(table), bool)
    gallery_N = ~query_N if queries else query_N
    people = np.stack([table.dataset % len(gallery), table.person], 1)
    _, person_N = np.unique(people, axis=0, return_inverse=True)
    images_of = np.bincount(person_N[gallery_N], minlength=int(person_N.max()) + 1)
    if not (images_of[person_N[query_N]] > (0 if queries else 1)).any():
        raise WebbodyError(
            f"validation.gallery: {', '.join(gallery)} holds no other image of any query's person"
        )
    return HeldOut(table, person_N.ravel(), query_N, gallery_N)


def rank_held_out(
    model: TrainedModel,
    held_out: HeldOut,
    *,
    batch: int,
    device: torch.device,
    group: dist.ProcessGroup | None = None,
    on_examples: Callable[[list[ExampleRanking]], None] | None = None,
) -> ValidationResult:
    """Rank the gallery for each query by the model's features; every rank calls it.

    Images and queries are divided among the ranks. The model's mode is restored and no random
    state is used, so training continues unchanged. On the first rank `on_examples` gets some of
    the rankings.
    """
    rank, ranks = rank_and_ranks(group)
    mine_M = share(np.arange(len(held_out.table)), rank, ranks)
    in_training = model.training
    try:
        features_MF = _features(model, held_out.table, mine_M, batch, device)
    finally:
        model.train(in_training)
    features_NF = _of_all_ranks(features_MF, len(held_out.table), group).to(device)
    usable_N = features_NF.isfinite().all(1).cpu().numpy()
    query_N, gallery_N = held_out.query_N & usable_N, held_out.gallery_N & usable_N
    if on_examples is not None and rank == 0:
        on_examples(
            example_rankings(held_out.table, held_out.person_N, query_N, gallery_N, features_NF)
        )
    # A camera of its own for each image: no image is its own match.
    camera_N = np.arange(len(usable_N))
    queries_M = share(np.flatnonzero(query_N), rank, ranks)
    queries, gallery = (
        Images(features_NF[torch.from_numpy(ids)], held_out.person_N[ids], camera_N[ids])
        for ids in (queries_M, np.flatnonzero(gallery_N))
    )
    found = evaluate(queries, gallery, "general")
    # Without queries the figures are NaN.
    sums = [found.rank(1) * found.queries, found.mAP * found.queries, found.queries]
    total = torch.tensor(sums if found.queries else [0.0] * 3, dtype=torch.float64, device=device)
    hits, precision, count = sum_over_ranks_(total, group).tolist()
    without_match = np.count_nonzero(held_out.query_N) - count
    unusable = np.count_nonzero(held_out.gallery_N) - np.count_nonzero(gallery_N)
    judged = max(count, 1)
    return ValidationResult(
        hits / judged, precision / judged, int(count), int(without_match + unusable)
    )


def _features(
    model: TrainedModel, table: Table, ids_M: NDArray[np.int64], batch: int, device: torch.device
) -> Tensor:
    """Features (M, F) on the host; rows of unreadable pictures are NaN."""
    extractor = Extractor(model, device=str(device), batch=batch)
    rows = [torch.zeros(0, model.feature_dim)]
    for block in extractor(_samples(table, ids_M, batch, model.image_size)):
        features_BF = torch.from_numpy(block.features_BF)
        bad = [sample.outcome is not None for sample in block.samples]
        rows.append(features_BF.masked_fill(torch.tensor(bad)[:, None], torch.nan))
    return torch.cat(rows)


def _samples(table: Table, ids_M: NDArray[np.int64], batch: int, side: int) -> Iterator[Sample]:
    """The samples in order, with batches decoded ahead."""
    batches = (ids_M[start : start + batch] for start in range(0, len(ids_M), batch))
    with ThreadPoolExecutor(_THREADS) as pool:
        for samples in prefetch(
            pool, lambda ids_B: _decoded(table, ids_B, side), batches, _THREADS
        ):
            yield from samples


def _decoded(table: Table, ids_B: NDArray[np.int64], side: int) -> list[Sample]:
    buffer = torch.empty(1, len(ids_B), side, side, 3, dtype=torch.uint8)
    done = PictureReader(table.shards, buffer)[DecodeRequests(0, table.places(ids_B, side))]
    images = buffer[0].numpy()
    return [
        Sample(
            table.shards[table.shard[id]],
            str(id),
            None if i in done.unreadable else images[i],
            None if i in done.unreadable else table.keypoints[id],
            outcome="image:unreadable" if i in done.unreadable else None,
        )
        for i, id in enumerate(ids_B.tolist())
    ]


def _of_all_ranks(features_MF: Tensor, count: int, group: dist.ProcessGroup | None) -> Tensor:
    """The rows of all ranks (N, F) in the images' order."""
    ranks = rank_and_ranks(group)[1]
    if ranks == 1:
        return features_MF
    most = -(-count // ranks)
    padded = features_MF.new_zeros(most, features_MF.shape[1])
    padded[: len(features_MF)] = features_MF
    if dist.get_backend(group) == "nccl":
        padded = padded.cuda()
    gathered_GF = gather_batch(padded, group)
    ordered_NF: Tensor = (
        gathered_GF.unflatten(0, (ranks, most)).transpose(0, 1).flatten(0, 1)[:count]
    )
    return ordered_NF
