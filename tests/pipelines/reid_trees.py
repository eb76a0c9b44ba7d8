"""Small Market-1501 and PRCC trees of drawn people, for the tests of imports."""

from pathlib import Path

import numpy as np

from webbody.demo.pose_scale import picture
from webbody.images import encode_jpeg


def person_picture(person: int, number: int, width: int = 128) -> bytes:
    """A JPEG of a drawn person from head to foot, cropped as data sets are."""
    rgb, _ = picture(person, "full", number)
    filled = np.flatnonzero((rgb < 250).any((0, 2)))
    return encode_jpeg(np.ascontiguousarray(rgb[:, filled[0] : filled[-1] + 1]), 90)


def market_tree(root: Path, people: int = 4, images: int = 3, first: int = 2) -> Path:
    """Training pictures of people numbered from `first`, and a test part of somebody else."""
    for person in range(first, first + people):
        for number in range(images):
            name = f"bounding_box_train/{person:04}_c{number + 1}s1_{number:06}_00.jpg"
            put(root / name, person_picture(person, number))
    for folder in ("bounding_box_test", "query"):
        put(root / folder / "1500_c1s1_000001_00.jpg", person_picture(1500, 0))
    return root


def prcc_tree(root: Path, people: int = 3, images: int = 2) -> Path:
    for person in range(people):
        for number in range(images):
            name = f"rgb/train/{person:03}/{'ABC'[number % 3]}_cropped_rgb{number:03}.jpg"
            put(root / name, person_picture(100 + person, number))
    return root


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
