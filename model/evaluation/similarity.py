"""Cosines of blocks of features, in full float32 precision whatever the caller's settings.

Shape suffixes: B queries of a block, G gallery images, D width of a feature.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from model.evaluation.images import ImageSet

#: Cosines that differ by less are tied: a product of float32 is no more exact.
TIE = 2.0**-22
#: Bytes that a block of queries may take, if not told otherwise.
MEMORY = 1 << 30
#: Gallery features that are converted to float32 at a time.
_CONVERTED = 4096


def cosines(query: ImageSet, rows: slice, gallery: ImageSet) -> Tensor:
    """The cosines (B, G), float32, of some queries with the gallery; 0 for a feature of zeros."""
    query_BD, gallery_GD = query.features_ND[rows], gallery.features_ND
    halves = (torch.float16, torch.bfloat16)
    if query_BD.is_cuda and query_BD.dtype == gallery_GD.dtype and query_BD.dtype in halves:
        # Without the wider result, most scores near each other would be equal.
        cosine_BG = torch.mm(query_BD, gallery_GD.T, out_dtype=torch.float32)
    else:
        query_BD = query_BD.float()
        cosine_BG = query_BD.new_empty(len(query_BD), len(gallery_GD))
        step = len(gallery) if gallery_GD.dtype == torch.float32 else _CONVERTED
        for start in range(0, len(gallery), max(1, step)):
            part_GD = gallery_GD[start : start + step].float()
            torch.mm(query_BD, part_GD.T, out=cosine_BG[:, start : start + step])
    return cosine_BG.mul_(gallery.inverse_N).mul_(query.inverse_N[rows, None])


def blocks(queries: int, row_bytes: int, memory: int) -> Iterator[slice]:
    """Runs of queries that fit into memory, where each takes so many bytes."""
    rows = max(1, memory // (row_bytes + 1))
    for start in range(0, queries, rows):
        yield slice(start, min(start + rows, queries))


@contextmanager
def exact_products() -> Iterator[None]:
    """Matrix products of float32 are what they say: no autocast, no TF32, and no gradients.

    A trainer's settings would else move cosines by up to 1e-3.
    """
    of_cpu: Any = torch.backends.mkldnn
    backends = (torch.backends.cuda.matmul, of_cpu.matmul)
    before = [backend.fp32_precision for backend in backends]
    cuda, cpu = torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False)
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        with torch.no_grad(), cuda, cpu:
            yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
