"""The working key of a manifest's row."""

import hashlib


def sample_key(url: str, name: str) -> str:
    """The content-based key of a manifest row: blake2b-80 of `url NUL name`, 20 hex digits."""
    return hashlib.blake2b(f"{url}\0{name}".encode(), digest_size=10).hexdigest()
