"""Score fusion: several matchers compare the same images, such as one of faces and one of bodies.

The ways are those of SapiensID's supplement (B.2, Table 8), after He et al. ("Performance
evaluation of score level fusion in multimodal biometric systems", Pattern Recognition 2010). It
does not say over which scores a minimum and a maximum are taken, nor what an image without a face
gets. Here they are those of all queries with the whole gallery, and the other matchers decide.

Shape suffixes: B queries of a block, G gallery images, N images of a side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from model.evaluation.images import Images, ImageSet, checked_pair
from model.evaluation.ranking import Ranking, evaluate_scores
from model.evaluation.rules import Rule
from model.evaluation.similarity import MEMORY, TIE, blocks, cosines, exact_products
from webbody.errors import WebbodyError, error_context

#: max: the greatest of the cosines. mean: their mean. min-max: their mean after those of each
#: matcher were mapped to 0 ... 1 by their minimum and maximum.
How = Literal["max", "min-max", "mean"]

#: The lowest score that there can be.
_LOWEST = {"max": -1.0, "min-max": 0.0, "mean": -1.0}
#: Blocks of float32 in memory at a time: fused scores, a matcher's, counts and masks.
_HELD = 4


def evaluate_fused(
    queries: Sequence[Images],
    galleries: Sequence[Images],
    rule: Rule,
    how: How,
    *,
    memory: int = MEMORY,
) -> Ranking:
    """`ranking.evaluate` by the fused scores of two matchers or more.

    queries, galleries: for each matcher the same images in the same order; the first one's labels
    count. A feature of zeros says that a matcher has none of an image: pairs with that image are
    scored by the other matchers alone, and pairs that no matcher can score get the lowest score
    that there can be. For "min-max" half of the memory holds cosines, and the features of queries
    beyond it are multiplied twice; a matcher whose scores are all equal gives 0, and ties are as
    much wider than those of cosines as the mapping stretches most.

    Raises WebbodyError for whatever `ranking.evaluate` refuses, fewer than two matchers,
    matchers of different images, and an unknown way to fuse.
    """
    if how not in get_args(How):
        raise WebbodyError(
            f"there is no way {how!r} to fuse scores; there are {', '.join(get_args(How))}"
        )
    matchers = _matchers(queries, galleries)
    query, gallery = matchers[0].query, matchers[0].gallery
    width = max(matcher.query.features_ND.shape[1] for matcher in matchers)
    row_bytes = 4 * (_HELD * len(gallery) + width)
    if how == "min-max" and len(gallery):
        memory //= 2
        kept = memory // len(matchers) // (4 * len(gallery))
        matchers = [matcher.mapped(row_bytes, memory, kept) for matcher in matchers]
    tie = TIE * max(1.0, *(matcher.scale for matcher in matchers))
    scores = partial(_greatest if how == "max" else _means, matchers, _LOWEST[how])
    return evaluate_scores(
        query, gallery, rule, scores, row_bytes=row_bytes, tie=tie, memory=memory
    )


@dataclass(frozen=True)
class _Matcher:
    """What a model says of both sides; its scores are (cosine - low) * scale.

    kept_KG: the cosines of the first queries, if they were computed before.
    """

    query: ImageSet
    gallery: ImageSet
    low: float = 0.0
    scale: float = 1.0
    kept_KG: Tensor | None = None

    def scores(self, rows: slice) -> tuple[Tensor, Tensor | None]:
        """Scores (B, G), and in which pairs an image has no feature, bool (B, G); None for none.

        Those of a query can be had once: cosines that are kept become its scores.
        """
        if self.kept_KG is not None and rows.stop <= len(self.kept_KG):
            cosine_BG = self.kept_KG[rows]
        else:
            cosine_BG = cosines(self.query, rows, self.gallery)
        return cosine_BG.sub_(self.low).mul_(self.scale), self._none(rows)

    def _none(self, rows: slice) -> Tensor | None:
        query_B, gallery_G = self.query.inverse_N[rows] == 0, self.gallery.inverse_N == 0
        return query_B[:, None] | gallery_G if query_B.any() or gallery_G.any() else None

    def mapped(self, row_bytes: int, memory: int, kept: int) -> "_Matcher":
        """The matcher with scores of 0 ... 1 over all queries, where it has features.

        A block takes `row_bytes` for each query and `memory` at most; the cosines of the first
        `kept` queries stay beside.
        """
        low, high = torch.inf, -torch.inf
        kept_KG = self.gallery.inverse_N.new_empty(
            min(kept, len(self.query)), len(self.gallery), dtype=torch.float32
        )
        with exact_products():
            for rows in blocks(len(self.query), row_bytes, memory):
                cosine_BG, none_BG = cosines(self.query, rows, self.gallery), self._none(rows)
                place_BG = kept_KG[rows]
                place_BG.copy_(cosine_BG[: len(place_BG)])
                least, most = (float(value) for value in cosine_BG.aminmax())
                if none_BG is not None:
                    least = float(cosine_BG.masked_fill_(none_BG, torch.inf).amin())
                    most = float(cosine_BG.masked_fill_(none_BG, -torch.inf).amax())
                low, high = min(low, least), max(high, most)
        if high - low < TIE:
            return replace(self, scale=0.0, kept_KG=kept_KG)
        return replace(self, low=low, scale=1 / (high - low), kept_KG=kept_KG)


def _greatest(matchers: Sequence[_Matcher], lowest: float, rows: slice) -> Tensor:
    """The greatest score of the matchers that have one (B, G)."""
    best_BG, none_BG = matchers[0].scores(rows)
    _fill(best_BG, none_BG, lowest)
    for matcher in matchers[1:]:
        score_BG, none_BG = matcher.scores(rows)
        torch.maximum(best_BG, _fill(score_BG, none_BG, lowest), out=best_BG)
    return best_BG


def _means(matchers: Sequence[_Matcher], lowest: float, rows: slice) -> Tensor:
    """The mean score of the matchers that have one (B, G)."""
    sum_BG, none_BG = matchers[0].scores(rows)
    _fill(sum_BG, none_BG, 0)
    nones = [none_BG]
    for matcher in matchers[1:]:
        score_BG, none_BG = matcher.scores(rows)
        sum_BG += _fill(score_BG, none_BG, 0)
        nones.append(none_BG)
    if all(none_BG is None for none_BG in nones):
        return sum_BG.div_(len(matchers))
    count_BG = torch.full_like(sum_BG, len(matchers), dtype=torch.int16)
    for none_BG in nones:
        if none_BG is not None:
            count_BG -= none_BG.to(count_BG.dtype)
    return sum_BG.div_(count_BG).masked_fill_(count_BG == 0, lowest)


def _fill(score_BG: Tensor, none_BG: Tensor | None, value: float) -> Tensor:
    return score_BG if none_BG is None else score_BG.masked_fill_(none_BG, value)


def _matchers(queries: Sequence[Images], galleries: Sequence[Images]) -> list[_Matcher]:
    """The matchers, checked; raises WebbodyError where their images are not the same."""
    if len(queries) != len(galleries):
        raise WebbodyError(
            f"there are queries of {len(queries)} matchers and galleries of {len(galleries)}"
        )
    if len(queries) < 2:
        raise WebbodyError(
            f"fusion takes two matchers or more, not {len(queries)}: `evaluate` ranks by one"
        )
    matchers: list[_Matcher] = []
    for number, pair in enumerate(zip(queries, galleries, strict=True), 1):
        with error_context(f"matcher {number}: "):
            matcher = _Matcher(*checked_pair(*pair))
        matchers.append(matcher)
        first = matchers[0]
        _check_same(first.query, matcher.query, "query", number)
        _check_same(first.gallery, matcher.gallery, "gallery", number)
    return matchers


def _check_same(first: ImageSet, other: ImageSet, name: str, number: int) -> None:
    if len(first) != len(other):
        raise WebbodyError(
            f"matcher 1 has {len(first)} {name} images and matcher {number} has {len(other)}: give "
            "a feature of zeros where a matcher has none"
        )
    device, other_device = first.person_N.device, other.person_N.device
    if device != other_device:
        raise WebbodyError(
            f"matcher 1 is on {device} and matcher {number} on {other_device}: move its features"
        )
    if not torch.equal(first.person_N, other.person_N):
        raise WebbodyError(
            f"the {name} images of matcher {number} show other people than those of matcher 1: "
            "give all matchers the same images in the same order"
        )
