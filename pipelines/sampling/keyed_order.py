"""Numbers drawn for keys: a function of key and seed alone, so that what comes or goes moves no
other."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def keyed_numbers(keys: Iterable[object], seed: int, purpose: str = "") -> NDArray[np.uint64]:
    """A pseudo-random number (N,) for each key, by its text.

    purpose: draws for different purposes are independent of one another.
    """
    secret = f"{seed} {purpose}".strip().encode()
    digests = [
        hashlib.blake2b(str(key).encode(), digest_size=8, key=secret).digest() for key in keys
    ]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
