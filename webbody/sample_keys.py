"""Keys of packed samples, derived without names.

A row's working key is a digest of URL and name. Whoever holds a list of candidate names could try
them all against it, so that key stays inside. A packed sample is called after its picture and the
place in it alone.
"""

import hashlib
from collections.abc import Sequence


def packed_key(url: str, area: Sequence[int]) -> str:
    """Key of a sample: blake2b-80 of the URL's sha256 and the rectangle, 20 hex digits.

    area: left, top, right, bottom of the crop in pixels of the upright original.
    """
    digest = hashlib.sha256(url.encode()).digest()
    place = ",".join(str(int(side)) for side in area)
    return hashlib.blake2b(digest + place.encode(), digest_size=10).hexdigest()
