"""Damage done to files: one bit, somewhere."""

import hashlib
import random
from pathlib import Path


def flip(path: Path, place: int | None = None, bit: int = 0) -> None:
    """Change a bit; somewhere in the middle third without `place`."""
    data = bytearray(path.read_bytes())
    if place is None:
        place = random.Random(path.name).randrange(len(data) // 3, 2 * len(data) // 3 + 1)
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every table and tar, and of the index."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".parquet", ".tar") or path.name == "index.json"
    }
