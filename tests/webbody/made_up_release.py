"""Releases of made-up samples."""

import hashlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa

from webbody.releases.format import (
    RELEASE_FILE,
    SCHEMA,
    DataFile,
    PackedAs,
    ReleaseInfo,
    ShuffledAs,
)
from webbody.releases.writing import write_data
from webbody.sample_keys import packed_key
from webbody.storage import Folder


def sample(number: int, person: int, split: str = "train") -> dict:
    """A sample like any other."""
    url = f"https://example.org/{number}.jpg"
    left, top = number % 7, number % 5
    return {
        "key": packed_key(url, (left, top, left + 40, top + 50)),
        "url": url,
        "person": person,
        "split": split,
        "sha256": hashlib.sha256(url.encode()).hexdigest(),
        "width": 100,
        "height": 80,
        "box": [left / 100, top / 80, (left + 40) / 100, (top + 50) / 80],
        "keypoints": [float(value % 384) for value in range(38)] + [1.0] * 19,
        "phash": number * 7919,
        "fetched": date(2026, 11, 30),
        "etag": None if number % 2 else f'"{number}"',
        "last_modified": None,
        "opt_out": None,
        "source": "made",
    }


def make_release(
    path: Path, people: dict[int, int], change: Callable[[dict], dict] = dict, file_rows: int = 25
) -> ReleaseInfo:
    """Write a release; people: each person's number of images. Every third is a test person."""
    folder = Folder(path)
    files: dict[str, DataFile] = {}
    number = 0
    rows: dict[str, list[dict]] = {"train": [], "test": []}
    for person, images in people.items():
        split = "test" if person % 3 == 0 else "train"
        for _ in range(images):
            rows[split].append(change(sample(number, person, split)))
            number += 1
    for split, own in rows.items():
        own.sort(key=lambda row: (row["person"], row["key"]))
        files |= write_data(folder, split, [pa.Table.from_pylist(own, SCHEMA)], file_rows)
    info = ReleaseInfo(
        name="made",
        version="1.0",
        created=date(2026, 12, 1),
        draft=False,
        samples=number,
        people=len(people),
        pack=PackedAs(size=384, quality=90),
        shuffle=ShuffledAs(seed=0, shards={"train": 1, "test": 1}),
        files=files,
        data_digest="0" * 64,
        code="0",
        removals="removals.parquet",
        contact="removals@example.org",
    )
    folder.write_bytes(RELEASE_FILE, info.to_json())
    return info
