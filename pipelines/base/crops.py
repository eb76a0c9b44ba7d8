"""Crops of persons as the persons stage has stored them."""

import hashlib
from collections.abc import Mapping
from typing import Any

from webbody.images import RGB, decode


def decode_crop(row: Mapping[str, Any], data: bytes) -> RGB:
    """The pixels of a crop, whose row in the table of persons has its digest and size.

    Raises OSError where the bytes are not those that were stored, and ImageError where they cannot
    be decoded.
    """
    if hashlib.blake2b(data, digest_size=10).hexdigest() != row["digest"]:
        # A damaged disk must not turn good crops into unreadable ones.
        raise OSError(f"the tar of crops is damaged at {row['crop']}; remove it to make it anew")
    return decode(data, row["width"] * row["height"])
