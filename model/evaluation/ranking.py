"""Retrieval: CMC, mAP and mINP of queries that are ranked against a gallery.

A query's ranking is not sorted. All that the figures need are the places of its matches, and a
match's place is the number of matches and of other people's images that are at least as similar.

Shape suffixes: Q queries, B queries of a block, G gallery images, N pairs of a query and a gallery
image of the same person, P places for a query's matches, padded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.evaluation.images import Images, Labels, checked_pair
from model.evaluation.rules import Matches, Rule
from model.evaluation.similarity import MEMORY, TIE, blocks, cosines, exact_products

__all__ = ["TIE", "Images", "Ranking", "Rule", "evaluate", "evaluate_scores"]

#: Up to this many matches, comparing with each of them is cheaper than a search among them.
_FEW = 16
#: Scores that are counted at a time: on the CPU they stay in its cache, on CUDA launches count.
_COUNTED = {False: 1 << 18, True: 1 << 26}


@dataclass(frozen=True)
class Ranking:
    """Figures over the queries that have a match, all fractions; NaN if no query has one.

    Attributes:
        cmc: (G,); entry k - 1 is rank-k, the share of queries with a match among the first k.
        mAP: Mean over queries of the mean precision at the matches' ranks.
        mINP: Mean over queries of the number of matches divided by the rank of the last match (Ye
            et al., TPAMI 2022).
        queries: Queries with a match.
        skipped: Queries without one.
        average_precision: (Q,), of each query, NaN for the skipped.
        first_match: (Q,), the rank of each query's first match, from 1; NaN for the skipped.
    """

    cmc: NDArray[np.float64]
    mAP: float
    mINP: float
    queries: int
    skipped: int
    average_precision: NDArray[np.float64]
    first_match: NDArray[np.float64]

    def rank(self, k: int) -> float:
        """Rank-k.

        Args:
            k: From 1; may exceed the size of the gallery.

        Returns:
            The share of queries with a match among the first k; NaN if no query has a match.
        """
        return float(self.cmc[min(k, len(self.cmc)) - 1]) if self.queries else float("nan")


def evaluate(q: Images, g: Images, rule: Rule, *, memory: int = MEMORY) -> Ranking:
    """Rank the gallery `g` for each query of `q` by cosine, and judge it by a rule (`rules`).

    Ties count against the query: where a match and another person's image are tied, the match
    comes last. So features that are all equal give the worst figures, not the best. The order of
    the images does not matter. Features need not be normalised; one of zeros has cosine 0 with
    all. Computes in float32 on the features' device (float16 on CUDA is multiplied as such), in
    blocks of queries.

    Args:
        q: Features, people and whatever the rule looks at, of the queries.
        g: The same of the gallery.
        rule: Which images of the gallery count for a query; see model.evaluation.rules.
        memory: Bytes that a block may take beside the features, about.

    Returns:
        CMC, mAP and mINP over the queries that have a match.

    Raises:
        WebbodyError: NaN, misshapen or missing arrays, or an unknown rule.
    """
    query, gallery = checked_pair(q, g)
    # Scores and converted features are float32.
    row_bytes = 4 * (len(gallery) + query.features_ND.shape[1])
    scores = partial(cosines, query, gallery=gallery)
    return evaluate_scores(query, gallery, rule, scores, row_bytes=row_bytes, memory=memory)


def evaluate_scores(
    query: Labels,
    gallery: Labels,
    rule: Rule,
    scores: Callable[[slice], Tensor],
    *,
    row_bytes: int,
    tie: float = TIE,
    memory: int = MEMORY,
) -> Ranking:
    """`evaluate` by scores of any kind, of which more is more similar.

    Args:
        query: People and whatever the rule looks at, of the queries.
        gallery: The same of the gallery.
        rule: Which images of the gallery count for a query.
        scores: Gives those of some queries with the gallery, floating (B, G) and finite, on the
            labels' device; they are spoilt. It is called once for each block in which a query has
            a match, under `exact_products`.
        row_bytes: What `scores` takes for each query, with its result.
        tie: Scores that differ by less are tied.
        memory: Bytes that a block may take, about.

    Returns:
        CMC, mAP and mINP over the queries that have a match.

    Raises:
        WebbodyError: An unknown rule, or missing labels.
    """
    matches = Matches(rule, query, gallery)
    same = _SamePerson(query.person_N, gallery.person_N)
    device = query.person_N.device
    figures_3Q = torch.full((3, len(query)), torch.nan, dtype=torch.float64, device=device)
    with exact_products():
        # A pair of the same person has some ten numbers of eight bytes.
        for rows in blocks(len(query), row_bytes + 80 * same.most, memory):
            row_N, column_N = same.pairs(rows)
            match_N = matches(row_N + rows.start, column_N)
            if match_N.any():
                pairs = _Pairs(row_N, column_N, match_N)
                figures_3Q[:, rows] = _figures(scores(rows), pairs, tie)
    return _summary(figures_3Q.cpu().numpy(), len(gallery))


class _Pairs(NamedTuple):
    """Pairs of the same person: row and column of the block's scores; row_N does not fall."""

    row_N: Tensor
    column_N: Tensor
    match_N: Tensor


class _SamePerson:
    """The gallery images of each query's person; `most` is how many a query has at most."""

    def __init__(self, query_Q: Tensor, gallery_G: Tensor) -> None:
        person_G, self.order_G = gallery_G.sort(stable=True)
        self.start_Q = torch.searchsorted(person_G, query_Q)
        self.count_Q = torch.searchsorted(person_G, query_Q, right=True) - self.start_Q
        self.most = int(self.count_Q.max()) if len(query_Q) else 0

    def pairs(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Rows, counted from the block's start, and gallery columns (N,)."""
        count_B = self.count_Q[rows]
        row_N, number_N = _numbered(count_B)
        return row_N, self.order_G[self.start_Q[rows][row_N] + number_N]


def _numbered(count_B: Tensor) -> tuple[Tensor, Tensor]:
    """Each row as often as it counts, and the numbers 0, 1 ... within a row: both (N,)."""
    row_N = torch.repeat_interleave(count_B)
    first_B = count_B.cumsum(0) - count_B
    return row_N, torch.arange(len(row_N), device=count_B.device) - first_B[row_N]


def _figures(score_BG: Tensor, pairs: _Pairs, tie: float) -> Tensor:
    """Average precision, INP and the place of the first match (3, B); NaN without a match.

    The scores are spoilt.
    """
    row_N, column_N, match_N = pairs
    value_N = score_BG[row_N, column_N]
    # What remains are other people.
    score_BG[row_N, column_N] = -torch.inf
    matches_B = torch.bincount(row_N[match_N], minlength=len(score_BG))
    row_M, number_M = _numbered(matches_B)
    value_BP = score_BG.new_full((len(score_BG), int(matches_B.max())), torch.inf)
    value_BP[row_M, number_M] = value_N[match_N]
    value_BP = value_BP.sort(1).values
    # The least similar match comes first, so it is the last of the query's matches to be found.
    found_BP = matches_B[:, None] - torch.arange(value_BP.shape[1], device=value_BP.device)
    place_BP = (found_BP + _at_least(score_BG, value_BP - tie)).double()
    precision_BP = torch.where(found_BP > 0, found_BP / place_BP, 0.0)
    last_B = (matches_B - 1).clamp(min=0)[:, None]
    figures_3B = torch.stack(
        [
            precision_BP.sum(1) / matches_B,
            matches_B / place_BP[:, 0],
            place_BP.gather(1, last_B)[:, 0],
        ]
    )
    return torch.where(matches_B > 0, figures_3B, torch.nan)


def _at_least(value_BG: Tensor, bound_BP: Tensor) -> Tensor:
    """How many values of a row are not below each of its bounds, which ascend: int64 (B, P)."""
    count = _compared if bound_BP.shape[1] <= _FEW else _searched
    step = max(1, _COUNTED[value_BG.is_cuda] // value_BG.shape[1])
    parts = zip(value_BG.split(step), bound_BP.split(step), strict=True)
    return torch.cat([count(values, bounds) for values, bounds in parts])


def _compared(value_BG: Tensor, bound_BP: Tensor) -> Tensor:
    """`_at_least` by comparing all values with one bound after the other."""
    counts = [(value_BG >= bound_B1).count_nonzero(1) for bound_B1 in bound_BP.split(1, 1)]
    return torch.stack(counts, 1)


def _searched(value_BG: Tensor, bound_BP: Tensor) -> Tensor:
    """`_at_least` by finding out for each value how many bounds are not above it."""
    rows, bounds = bound_BP.shape
    reached_BG = torch.searchsorted(bound_BP, value_BG, right=True, out_int32=True)
    first_B1 = torch.arange(rows, device=bound_BP.device)[:, None] * (bounds + 1)
    reached_BG += first_B1.int()
    count = torch.bincount(reached_BG.view(-1), minlength=rows * (bounds + 1))
    by_reached = count.view(rows, bounds + 1)[:, 1:]
    return by_reached.flip(1).cumsum(1).flip(1)


def _summary(figures_3Q: NDArray[np.float64], gallery: int) -> Ranking:
    precision_Q, inp_Q, first_Q = figures_3Q
    valid_Q = ~np.isnan(first_Q)
    queries = int(valid_Q.sum())
    if queries == 0:
        nothing = np.full(gallery, np.nan)
        return Ranking(nothing, np.nan, np.nan, 0, len(valid_Q), precision_Q, first_Q)
    found = np.bincount(first_Q[valid_Q].astype(np.int64) - 1, minlength=gallery)
    return Ranking(
        cmc=found.cumsum() / queries,
        mAP=float(precision_Q[valid_Q].mean()),
        mINP=float(inp_Q[valid_Q].mean()),
        queries=queries,
        skipped=len(valid_Q) - queries,
        average_precision=precision_Q,
        first_match=first_Q,
    )
