"""The pictures of labelled sets as shards without any label, to pretrain on."""

from collections.abc import Iterator
from pathlib import Path

from webbody.shards import TarWriter

#: Pictures of a shard.
_PER_SHARD = 1000


def write_pictures(sets: Path, out: Path) -> int:
    """Write all pictures below a folder's `*/images/` into tars in `out`; returns how many.

    The sets' pictures alternate, so that every shard has some of each.
    """
    folders = [sorted(folder.iterdir()) for folder in sorted(sets.glob("*/images"))]
    pictures = [path for together in zip(*folders, strict=True) for path in together]
    out.mkdir(parents=True)
    for number, part in enumerate(_parts(pictures)):
        with (out / f"pictures-{number:06d}.tar").open("wb") as file:
            tar = TarWriter(file)
            for path in part:
                name = f"{path.parents[1].name}-{path.stem}{path.suffix}"
                tar.add(name, path.read_bytes())
            tar.close()
    return len(pictures)


def _parts(pictures: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(pictures), _PER_SHARD):
        yield pictures[start : start + _PER_SHARD]
