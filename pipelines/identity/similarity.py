"""Similar pairs among very many features, block by block."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.identity.features import Floats
from webbody.errors import WebbodyError

#: Rows of a block: a matrix of 64 MiB at a time.
BLOCK = 4096
#: More pairs than this come from a threshold that fits another embedder.
MAX_PAIRS = 20_000_000


@dataclass(frozen=True)
class SimilarPairs:
    """Rows `a` and `b` (P,) int64 and their cosine (P,) float32, sorted by (a, b)."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    cosine: Floats


def pairs_above(
    left: Floats,
    right: Floats | None,
    threshold: float,
    device: str = "cpu",
    block: int = BLOCK,
) -> SimilarPairs:
    """All pairs of unit features (N, D) and (M, D) with a cosine of at least `threshold`.

    Without `right`: each pair of different rows of `left` once, a < b. Products are float32 and
    no more than block x block of them exist at a time. Raises WebbodyError where so many pairs
    are similar that the threshold cannot be meant for these features.
    """
    import torch  # slow to import, and only workers need it

    found: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    count = 0
    other = left if right is None else right
    for top in range(0, len(left), block):
        rows = torch.from_numpy(left[top : top + block]).to(device)
        for start in range(top if right is None else 0, len(other), block):
            columns = torch.from_numpy(other[start : start + block]).to(device)
            cosines = rows @ columns.T
            hit = cosines >= threshold
            if right is None and start == top:
                hit = hit.triu(1)
            x, y = hit.nonzero(as_tuple=True)
            if not len(x):
                continue
            count += len(x)
            if count > MAX_PAIRS:
                raise WebbodyError(
                    f"More than {MAX_PAIRS:,} pairs have a similarity of at least {threshold}: "
                    "the threshold does not fit this embedder; `webbody calibrate` suggests others."
                )
            values = cosines[x, y].cpu().numpy()
            found.append((x.cpu().numpy() + top, y.cpu().numpy() + start, values))
    if not found:
        return SimilarPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    a, b, cosine = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((b, a))
    return SimilarPairs(a[order], b[order], cosine[order])
