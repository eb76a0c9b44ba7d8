"""Pictures of shards for pretraining: no labels are needed, those of any WebDataset will do."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from model.sapiens.training.sources import Arrays
from model.shard_list import list_shards
from model.shard_samples import picture_of, read_samples
from model.training.data.arrow_file import is_arrow, read_arrow, write_arrow
from model.training.data.ranges import Ranges
from model.training.data.scan import of_each
from webbody.errors import WebbodyError
from webbody.images import MAX_PIXELS, decode

_SCHEMA = pa.schema([("shard", pa.int32()), ("offset", pa.int64()), ("length", pa.int32())])
_VERSION = 1
#: Of a crop's width over its height, as torchvision's RandomResizedCrop has it.
_ASPECT = (3 / 4, 4 / 3)
_TRIES = 10


@dataclass(frozen=True)
class ShardPictures:
    """The pictures of shards, each a square crop of a random place and size.

    shards: their paths or URLs. shard, offset, length: where each picture is. side: of the crop in
    pixels. area: range of the crop's share of the picture. flip: share of mirrored ones.
    """

    shards: Sequence[str]
    shard: NDArray[np.int32]
    offset: NDArray[np.int64]
    length: NDArray[np.int32]
    side: int
    area: tuple[float, float] = (0.2, 1.0)
    flip: float = 0.5

    def __len__(self) -> int:
        return len(self.shard)

    @cached_property
    def digest(self) -> str:
        """Of where every picture is."""
        found = hashlib.blake2b(digest_size=16)
        for column in (self.shard, self.offset, self.length):
            found.update(np.ascontiguousarray(column).tobytes())
        return found.hexdigest()

    def name(self, index: int) -> str:
        """The shard and the offset in it."""
        return f"{self.shards[self.shard[index]]} at byte {self.offset[index]:,}"

    def picture(self, index: int) -> NDArray[np.uint8]:
        """A whole picture (H, W, 3) RGB. Raises OSError or ImageError."""
        place = (int(self.shard[index]), int(self.offset[index]), int(self.length[index]))
        (data,) = self._ranges.read([place])
        if isinstance(data, OSError):
            raise data
        return decode(bytes(data), MAX_PIXELS)

    def sample(self, index: int, rng: np.random.Generator) -> Arrays:
        """`image` (3, side, side) uint8."""
        picture = Image.fromarray(self.picture(index))
        box = crop_box(picture.width, picture.height, self.area, rng)
        size = (self.side, self.side)
        shown = np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box=box))
        if rng.random() < self.flip:
            shown = shown[:, ::-1]
        return {"image": np.ascontiguousarray(shown.transpose(2, 0, 1))}

    @cached_property
    def _ranges(self) -> Ranges:
        return Ranges(self.shards)

    def __getstate__(self) -> dict[str, Any]:
        # Open files are of one process.
        return {key: value for key, value in self.__dict__.items() if key != "_ranges"}


def crop_box(
    width: int, height: int, area: tuple[float, float], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """A random part of a picture: left, top, right, bottom.

    Its share of the picture is uniform in `area`, its width over height log-uniform in 3/4..4/3;
    where none of ten fits, the largest in the middle with the nearest such ratio.
    """
    low, high = np.log(_ASPECT)
    for _ in range(_TRIES):
        target = rng.uniform(*area) * width * height
        ratio = float(np.exp(rng.uniform(low, high)))
        w, h = round((target * ratio) ** 0.5), round((target / ratio) ** 0.5)
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    ratio = min(max(width / height, _ASPECT[0]), _ASPECT[1])
    w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
    left, top = (width - max(w, 1)) // 2, (height - max(h, 1)) // 2
    return left, top, left + max(w, 1), top + max(h, 1)


def read_pictures(
    datasets: Sequence[str],
    side: int,
    cache: Path | None = None,
    *,
    split: str = "train",
    on_shard: Callable[[int, int, int], None] | None = None,
    area: tuple[float, float] = (0.2, 1.0),
    flip: float = 0.5,
) -> ShardPictures:
    """The pictures of data sets (see `model.shard_list.list_shards`).

    Every shard is read once; in `cache` the places are kept as long as the shards stay as they
    are. `on_shard` is called with the shards read, of all, and the pictures in them. Raises
    WebbodyError.
    """
    shards = list_shards(datasets, split)
    urls = [shard.url for shard in shards]
    known = json.dumps([_VERSION, [(shard.url, shard.state) for shard in shards]])
    key = hashlib.blake2b(known.encode(), digest_size=10).hexdigest()
    path = None if cache is None else cache / f"pictures-{key}.arrow"
    if path is not None and is_arrow(path, _SCHEMA):
        table = read_arrow(path)
    else:
        table = _scanned(urls, on_shard)
        if path is not None:
            write_arrow(table, path)
    shard, offset, length = (table[name].combine_chunks().to_numpy() for name in _SCHEMA.names)
    return ShardPictures(urls, shard, offset, length, side, area, flip)


def _scanned(urls: Sequence[str], on_shard: Callable[[int, int, int], None] | None) -> pa.Table:
    tables, pictures = [], 0
    for number, places in enumerate(of_each(scan_pictures, urls)):
        numbers = np.full(len(places), number, np.int32)
        columns = [numbers, places[:, 0], places[:, 1].astype(np.int32)]
        tables.append(pa.table([pa.array(column) for column in columns], schema=_SCHEMA))
        pictures += len(places)
        if on_shard is not None:
            on_shard(number + 1, len(urls), pictures)
    return pa.concat_tables(tables).combine_chunks()


def scan_pictures(url: str) -> NDArray[np.int64]:
    """Offset and length (N, 2) of the pictures of a shard; WebbodyError where one lacks it."""
    found = []
    try:
        with fsspec.open(url, "rb") as file:
            for members in read_samples(file, url):
                data, offset = picture_of(members)
                found.append((offset, len(data)))
    except OSError as error:
        raise WebbodyError(f"{url} cannot be read: {error}") from error
    return np.array(found, np.int64).reshape(-1, 2)
