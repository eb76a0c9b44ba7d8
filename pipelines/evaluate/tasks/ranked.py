"""The queries of a search, and the first images of the rankings that are kept.

Shape suffixes: Q queries, S queries whose rankings are kept, B those of a block, G gallery images,
T images of a ranking.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model.evaluation.images import Images, checked_pair
from model.evaluation.ranking import Ranking
from model.evaluation.rules import Matches, Rule
from model.evaluation.similarity import blocks, cosines, exact_products
from pipelines.evaluate.tasks.figure import RankedImage, RankedQuery

TOP = 10
#: Rankings that are kept of each figure: of queries that are the same for every model, so that two
#: models can be compared, and of the worst ones.
_SAME, _WORST = 500, 100
#: Bytes that a block of rankings may take.
_MEMORY = 1 << 28


def kept(names: Sequence[str], precision_Q: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rows of queries whose rankings are kept: by a digest of their names, and the worst."""
    known = np.flatnonzero(~np.isnan(precision_Q))
    digests = np.array(
        [hashlib.blake2b(names[row].encode()).digest()[:8] for row in known.tolist()], "S8"
    )
    same = known[np.argsort(digests, kind="stable")][:_SAME]
    worst = known[np.argsort(precision_Q[known], kind="stable")][:_WORST]
    return np.union1d(same, worst)


def ranked_queries(
    q: Images, g: Images, rule: Rule, names: tuple[Sequence[str], Sequence[str]], found: Ranking
) -> list[RankedQuery]:
    """The queries that have a match, in their order.

    names: the images of both sides. found: the figures of the same search.
    """
    precision_Q = found.average_precision
    rows = kept(names[0], precision_Q)
    if not len(rows):
        return []
    first = dict(zip(rows.tolist(), _first(q, g, rule, rows, names[1]), strict=True))
    return [
        RankedQuery(
            names[0][row],
            float(precision_Q[row]),
            int(found.first_match[row]),
            first.get(row, []),
        )
        for row in np.flatnonzero(~np.isnan(precision_Q)).tolist()
    ]


def _first(
    q: Images, g: Images, rule: Rule, rows_S: NDArray[np.int64], names: Sequence[str]
) -> Iterator[list[RankedImage]]:
    """The first images of each ranking; names: of the gallery."""
    query, gallery = checked_pair(_at(q, rows_S), g)
    matches = Matches(rule, query, gallery)
    top = min(TOP, len(gallery))
    for rows in blocks(len(query), 16 * len(gallery), _MEMORY):
        with exact_products():
            cosine_BG = cosines(query, rows, gallery)
        same_BG = query.person_N[rows, None] == gallery.person_N[None]
        row_N, column_N = same_BG.nonzero(as_tuple=True)
        match_BG = torch.zeros_like(same_BG)
        match_BG[row_N, column_N] = matches(row_N + rows.start, column_N)
        # Those of the person that are no matches are not in the ranking.
        best_BT = cosine_BG.masked_fill(same_BG & ~match_BG, -torch.inf).topk(top)
        right_BT = match_BG.gather(1, best_BT.indices)
        for cosine_T, place_T, right_T in zip(
            best_BT.values.tolist(), best_BT.indices.tolist(), right_BT.tolist(), strict=True
        ):
            yield [
                RankedImage(names[place], cosine, right)
                for cosine, place, right in zip(cosine_T, place_T, right_T, strict=True)
                if cosine > -np.inf
            ]


def _at(images: Images, rows: NDArray[np.int64]) -> Images:
    """Some of the images."""

    def part(values: object) -> object:
        if values is None:
            return None
        if isinstance(values, torch.Tensor):
            return values[torch.from_numpy(rows).to(values.device)]
        return np.asarray(values)[rows]

    parts = (part(one) for one in (images.features, images.person, images.camera, images.clothes))
    return Images(*parts)  # type: ignore[arg-type]
