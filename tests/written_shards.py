"""Shards with whatever members a test wants."""

from collections.abc import Mapping
from pathlib import Path

from webbody.shards import TarWriter


def write_shard(path: Path, *samples: Mapping[str, bytes]) -> Path:
    """A tar of samples, each its members by name; folders that are missing are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        tar = TarWriter(file)
        for sample in samples:
            for name, data in sample.items():
                tar.add(name, data)
        tar.close()
    return path
