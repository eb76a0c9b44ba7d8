"""Ways to bring KP-RPE's bias into the attention of a training step, to be compared.

Each is a context in which SapiensID computes its attention that way. What is replaced are functions
of the model, so that everything around the attention stays the same.

Shape suffixes as in model/kprpe.py: B batch, N tokens, H heads, K buckets.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from model import encoder
from model.kprpe import BUCKETS, RelativeBias, tables_by_block
from model.sapiensid.keypoint_bias import KeypointBias
from model.sapiensid.sapiensid import SapiensID


class PairBias(RelativeBias):
    """Looks the bucket of a pair up by query and key (B, N, N), not by their cells."""

    def add_to(self, score: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        score = score + self.tables_BNHK[b, i, h, self.buckets_CC[b, i, j]]
        return score if self.keys_BN is None else score + self.keys_BN[b, j]

    @staticmethod
    def prepare(buckets_BNN: Tensor) -> Tensor:
        """What all blocks share: small integers, since the kernel reads one for every score."""
        return buckets_BNN.int()


class ProductBias(RelativeBias):
    """Written out by products of the tables with one-hot buckets (B, N, K, N).

    Its gradient is a product too, where that of a lookup adds to scattered places.
    """

    def dense(self) -> Tensor:
        bias_BHNN = (self.tables_BNHK @ self.buckets_CC).transpose(1, 2)
        if self.keys_BN is None:
            return bias_BHNN
        return bias_BHNN + self.keys_BN[:, None, None].to(bias_BHNN.dtype)

    @staticmethod
    def prepare(buckets_BNN: Tensor) -> Tensor:
        """What all blocks share: the one-hot buckets."""
        device = buckets_BNN.device
        buckets_K1 = torch.arange(BUCKETS + 1, device=device)[:, None]
        mixed = torch.is_autocast_enabled(device.type)
        dtype = torch.get_autocast_dtype(device.type) if mixed else torch.float32
        return (buckets_BNN[:, :, None] == buckets_K1).to(dtype)


@contextmanager
def biases_of(kind: type[PairBias] | type[ProductBias]) -> Iterator[None]:
    """All blocks' biases are of this kind; what they share is prepared once a forward."""

    def biases(
        self: KeypointBias, context_BNC: Tensor, cells_BN: Tensor, keys_BN: Tensor
    ) -> Iterator[RelativeBias]:
        shared = kind.prepare(self.buckets_CC[cells_BN[:, :, None], cells_BN[:, None]])
        for tables_BNX in tables_by_block(self.table, context_BNC, self.depth):
            tables_BNHK = tables_BNX.unflatten(-1, (-1, BUCKETS + 1))
            yield kind(tables_BNHK, shared, None, keys_BN)

    with patch.object(KeypointBias, "biases", biases):
        yield


@contextmanager
def written_out() -> Iterator[None]:
    """Every block's bias is written out before its attention, on CUDA as elsewhere."""

    def attend(q_BHNE: Tensor, k_BHNE: Tensor, v_BHNE: Tensor, bias: RelativeBias) -> Tensor:
        return encoder.attend(q_BHNE, k_BHNE, v_BHNE, bias.dense())

    with patch.object(encoder, "attend_in_kernel", attend):
        yield


@contextmanager
def all_at_once() -> Iterator[None]:
    """The biases of all blocks are written out first, as the authors' code does."""
    biases = SapiensID._biases

    def dense_biases(*arguments: Any) -> Iterator[Tensor]:
        yield from [bias.dense() for bias in biases(*arguments)]

    with patch.object(SapiensID, "_biases", dense_biases):
        yield


@contextmanager
def by_products() -> Iterator[None]:
    """Every block's bias is written out by a matrix product."""
    with biases_of(ProductBias), written_out():
        yield


FORMS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "all-at-once": all_at_once,
    "block-by-block": written_out,
    "by-products": by_products,
    "looked-up": nullcontext,
    "looked-up-by-pair": lambda: biases_of(PairBias),
}
#: Forms of steps on CUDA alone: elsewhere FlexAttention has no compiled backward.
ON_CUDA = ("looked-up", "looked-up-by-pair")
