"""Reading the crops that the persons stage stored."""

import hashlib
from collections.abc import Mapping
from typing import Any

from webbody.images import RGB, decode


def decode_crop(row: Mapping[str, Any], data: bytes) -> RGB:
    """Decode a crop; its row in the persons table has the digest and size.

    Raises OSError when the digest does not match, and ImageError when the bytes cannot be decoded.
    """
    if hashlib.blake2b(data, digest_size=10).hexdigest() != row["digest"]:
        # A damaged disk must not turn good crops into unreadable ones.
        raise OSError(f"the tar of crops is damaged at {row['crop']}; remove it to make it anew")
    return decode(data, row["width"] * row["height"])
