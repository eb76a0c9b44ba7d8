"""Query and gallery of WebBody-Test: our own definition, as the authors' split is not published.

Of each test person the PER_PERSON samples whose keys have the smallest blake2b-80, or as many as
there are; of these the first one in SHARE, rounded down, are queries and the others the gallery.
The rest is in neither. It depends on nothing but the keys, so that whoever has the samples has the
split, and every query has a mate in the gallery. docs/splits.md says it to readers.
"""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

#: The authors' evaluation set is called webbody_test_25.
PER_PERSON = 25
#: One of so many samples is a query.
SHARE = 5
QUERY, GALLERY, NEITHER = "query", "gallery", ""


def roles(keys: Iterable[str], person: NDArray[np.int64]) -> NDArray[np.str_]:
    """The role (N,) of each sample: QUERY, GALLERY or NEITHER.

    keys: of the samples (N,) without their shards, each once. person: (N,) ids of any kind.
    """
    keys = list(keys)
    name, drawn = np.array(keys, np.str_), np.array([_digest(key) for key in keys], "S20")
    order = np.lexsort((name, drawn, person))
    ordered = person[order]
    start = np.searchsorted(ordered, ordered, "left")
    kept = np.minimum(np.searchsorted(ordered, ordered, "right") - start, PER_PERSON)
    place = np.arange(len(order)) - start
    out = np.full(len(keys), NEITHER, "<U7")
    out[order[place < kept]] = GALLERY
    out[order[place < kept // SHARE]] = QUERY
    return out


def _digest(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=10).hexdigest().encode()
