"""Small data sets on disk with features of theirs, for the tests of evaluation."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: Three people under two cameras each, and one whom the gallery does not know.
MARKET = {
    "query": ["0001_c1s1_1_00.jpg", "0002_c1s1_1_00.jpg", "0003_c1s1_1_00.jpg", "0009_c1s1_1.jpg"],
    "bounding_box_test": [
        "0001_c1s1_2_00.jpg", "0001_c2s1_1_00.jpg", "0002_c2s1_1_00.jpg", "0003_c2s1_1_00.jpg",
        "0000_c3s1_1_00.jpg",
    ],
}  # fmt: skip


def market(root: Path) -> list[str]:
    """Makes the tree of empty files; its images, as features name them."""
    images = [f"{folder}/{name}" for folder, names in MARKET.items() for name in names]
    for image in images:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).touch()
    return images


def one_hot(images: list[str]) -> np.ndarray:
    """A feature for each image, the same for all of a person: what a perfect model gives."""
    people = [int(Path(image).name.split("_")[0]) for image in images]
    return np.eye(16, dtype=np.float32)[people]


def write_features(path: Path, keys: list[str], features: list) -> Path:
    table = {"key": keys, "feature": pa.array(features, pa.list_(pa.float32()))}
    pq.write_table(pa.table(table), path)
    return path


def write_pairs(path: Path, pairs: int) -> np.ndarray:
    """A `.bin` file of images without content; whether each pair shows one person."""
    same = np.arange(pairs) % 2 == 0
    images = [f"image {number}".encode() for number in range(2 * pairs)]
    path.write_bytes(pickle.dumps((images, same.tolist())))
    return same
