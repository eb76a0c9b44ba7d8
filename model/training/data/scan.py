"""Scanning shards: metadata of samples, without decoding pictures."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import fsspec
import numpy as np
import pyarrow as pa

from model.shard_samples import FOREGROUND, describe
from model.shard_samples import read_samples as read_members
from webbody.errors import WebbodyError
from webbody.geometry import on_square
from webbody.images import MAX_PIXELS, ImageError, probe
from webbody.skeleton import COUNT

#: Offset and length of the picture in the tar; its sides, 0 where it cannot be opened; whether it
#: is a plain JPEG (see webbody.images.Header); where its foreground lies, of no bytes if it has
#: none; keypoints as fractions of its white square.
SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("length", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("plain", pa.uint8()),
        ("foreground_offset", pa.int64()),
        ("foreground_length", pa.int32()),
        ("person", pa.int64()),
        ("keypoints", pa.list_(pa.float32(), COUNT * 3)),
    ]
)
#: A process takes seconds to start: as many shards must be there for each.
_SHARDS_PER_PROCESS = 8
Scan = TypeVar("Scan")


def scan_shard(url: str) -> pa.Table:
    """The samples of a shard in its order, as in SCHEMA; raises WebbodyError."""
    rows, points = [], []
    try:
        with fsspec.open(url, "rb") as file:
            for members in read_members(file, url):
                if "json" in members.data and "cls" not in members.data:
                    raise WebbodyError(
                        f"{url}: {members.key} has no person's number in a .cls: there are no "
                        "people to learn here; `webbody sapiens pretrain` needs none"
                    )
                found = describe(members)
                if found.person is None or abs(found.person) >= 1 << 63:
                    raise WebbodyError(f"{url}: {members.key} has no person's number in a .cls")
                if not np.isfinite(found.keypoints).all():
                    raise WebbodyError(f"{url}: {members.key} has keypoints that are no numbers")
                width, height, plain = _header(found.picture)
                mask = members.offset.get(FOREGROUND, 0), len(members.data.get(FOREGROUND, b""))
                about = width, height, int(plain), *mask, found.person
                rows.append((found.offset, len(found.picture), *about))
                # Without its size a picture is never shown; its keypoints say nothing.
                shown = found.keypoints if width else np.zeros_like(found.keypoints)
                points.append(on_square(shown, width or 1, height or 1))
    except OSError as error:
        raise WebbodyError(f"{url} cannot be read: {error}") from error
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, SCHEMA.types[i]) for i, column in enumerate(columns)]
    keypoints = pa.array(np.concatenate(points).ravel())
    arrays.append(pa.FixedSizeListArray.from_arrays(keypoints, COUNT * 3))
    return pa.table(arrays, schema=SCHEMA)


def scan_shards(urls: Sequence[str], processes: int | None = None) -> Iterator[pa.Table]:
    """`scan_shard` of each, in order, in several processes where that pays."""
    return of_each(scan_shard, urls, processes)


def of_each(
    scan: Callable[[str], Scan], urls: Sequence[str], processes: int | None = None
) -> Iterator[Scan]:
    """What a function of a module gives for each shard, in order, in several processes."""
    if processes is None:
        processes = min(os.cpu_count() or 1, len(urls) // _SHARDS_PER_PROCESS)
    if processes <= 1:
        yield from map(scan, urls)
        return
    # Forking would copy the threads' locks of whoever calls.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        try:
            yield from pool.map(scan, urls)
        finally:
            pool.shutdown(cancel_futures=True)


def _header(picture: bytes) -> tuple[int, int, bool]:
    try:
        header = probe(picture, MAX_PIXELS)
    except ImageError:
        return 0, 0, False
    return header.width, header.height, header.plain
