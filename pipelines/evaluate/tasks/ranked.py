"""Which queries are shown, and the first images of their rankings.

Shape suffixes: Q queries, S queries that are shown, G gallery images, T images of a ranking.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model.evaluation.images import Images, checked_pair
from model.evaluation.rules import Matches, Rule
from model.evaluation.similarity import cosines, exact_products
from pipelines.evaluate.tasks.figure import RankedImage, RankedQuery

TOP = 10
#: Queries that are shown of each figure, and of these how many failures.
_EXAMPLES, _FAILURES = 6, 6


def chosen(precision_Q: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """Queries from the best to the worst, evenly, and the worst ones: by average precision."""
    order = np.argsort(-precision_Q, kind="stable")
    order = order[~np.isnan(precision_Q[order])]
    even = np.linspace(0, len(order) - 1, min(_EXAMPLES, len(order))).round().astype(int)
    return order[even].tolist(), order[::-1][:_FAILURES].tolist()


def rank(
    q: Images, g: Images, rule: Rule, rows: Sequence[int],
    names: tuple[Sequence[str], Sequence[str]], precision_Q: NDArray[np.float64],
) -> list[RankedQuery]:  # fmt: skip
    """The rankings of some queries, by row; names: the images of both sides."""
    query, gallery = checked_pair(q, g)
    out = []
    matches = Matches(rule, query, gallery)
    column_G = torch.arange(len(gallery), device=gallery.person_N.device)
    for row in rows:
        with exact_products():
            cosine_G = cosines(query, slice(row, row + 1), gallery)[0]
        same_G = gallery.person_N == query.person_N[row]
        match_G = same_G & matches(torch.full_like(column_G, row), column_G)
        # Those of the person that are no matches are not in the ranking.
        cosine_G = cosine_G.masked_fill(same_G & ~match_G, -torch.inf)
        best_T = cosine_G.topk(min(TOP, len(gallery)))
        found = [
            RankedImage(names[1][place], cosine, bool(match_G[place]))
            for cosine, place in zip(best_T.values.tolist(), best_T.indices.tolist(), strict=True)
            if cosine > -np.inf
        ]
        out.append(RankedQuery(names[0][row], float(precision_Q[row]), found))
    return out
