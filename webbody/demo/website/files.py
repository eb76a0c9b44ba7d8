"""Drawing the planned files to disk, in several processes."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import DrawnPerson, portrait
from webbody.demo.website.encodings import encode, extension, near_duplicate
from webbody.demo.website.pictures import changed, draw
from webbody.demo.website.plan import WebFile

_SMALL = 24  # tasks below this number are not worth starting processes


@dataclass(frozen=True)
class File:
    """What was written: digest of the bytes, size of the upright image in px, its figures."""

    number: int
    sha256: str
    width: int
    height: int
    figures: tuple[DrawnPerson, ...]


@dataclass(frozen=True)
class DrawingTask:
    """An original with its copies, drawn together."""

    folder: Path
    seed: int
    world: str
    items: tuple[WebFile, ...]


def file_name(seed: int, item: WebFile) -> str:
    """Path of an item's file inside the web, telling nothing about its content."""
    digest = hashlib.blake2b(f"{seed} {item.number}".encode(), digest_size=6).hexdigest()
    return f"photos/{digest[:2]}/{digest}.{extension(item.encoding)}"


def write_files(
    folder: Path, seed: int, world: str, items: Sequence[WebFile], processes: int
) -> dict[int, File]:
    """Draw all items below `folder`; the truth of each by its number."""
    families: dict[int, list[WebFile]] = {}
    for item in items:
        families.setdefault(item.number if item.copy_of is None else item.copy_of, []).append(item)
    tasks = [DrawingTask(folder, seed, world, tuple(family)) for family in families.values()]
    return {file.number: file for files in spread(_write, tasks, processes) for file in files}


def spread(work: Callable[..., Any], tasks: Sequence[Any], processes: int) -> list[Any]:
    """`[work(task) for task in tasks]`, in several processes where that pays."""
    if processes <= 1 or len(tasks) < _SMALL:
        return [work(task) for task in tasks]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, context, initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        return list(pool.map(work, tasks, chunksize=4))


def _write(task: DrawingTask) -> list[File]:
    original = min(task.items, key=lambda item: item.number)
    source = original.number if original.copy_of is None else original.copy_of
    photo = draw(
        np.random.default_rng((task.seed, 1, source)), original.scene, original.people, task.world
    )
    written = []
    for item in task.items:
        image, figures = photo.image, tuple(photo.figures)
        if item.near:
            rng = np.random.default_rng((task.seed, 2, item.number))
            image, scale, corner = near_duplicate(rng, image, item.near)
            size = image.shape[1::-1]
            figures = tuple(changed(figure, scale, corner, size) for figure in figures)
        # An exact copy has its original's number here: the same bytes.
        data = encode(image, item.encoding, item.number if item.near else source)
        path = task.folder / file_name(task.seed, item)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        height, width = image.shape[:2]
        written.append(File(item.number, digest, width, height, figures))
    return written


def write_gallery(
    folder: Path, seed: int, identities: Sequence[int], photos: int, processes: int
) -> None:
    """Validation people: `<identity>/<n>.jpg`, portraits that show one face."""
    tasks = [(folder / str(identity), seed, identity, photos) for identity in identities]
    spread(_write_person, tasks, processes)


def _write_person(task: tuple[Path, int, int, int]) -> None:
    folder, seed, identity, photos = task
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(photos):
        rng = np.random.default_rng((seed, 3, identity, index))
        taken = portrait(rng, Identity.sample(identity), size=256)
        (folder / f"{index}.jpg").write_bytes(encode(taken.image, "plain", index))
