"""Small data sets on disk with features of theirs, for the tests of evaluation."""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.evaluate.requests import DatasetRequest
from pipelines.evaluate.run import Evaluated, evaluate
from webbody.config import BuildConfig

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


def figures_of(
    tmp_path: Path, name: str, features: Mapping[str, np.ndarray | None]
) -> list[Evaluated]:
    """What is found of the data set in the folder of its name, with features by image."""
    file = write_features(tmp_path / "f.parquet", list(features), list(features.values()))

    def no_model() -> NoReturn:
        raise AssertionError("features are given")

    requests = [DatasetRequest(name, str(tmp_path / name), str(file))]
    return evaluate(requests, no_model, BuildConfig(), str(tmp_path / "cache"))


def write_pairs(path: Path, pairs: int) -> np.ndarray:
    """A `.bin` file of images without content; whether each pair shows one person."""
    same = np.arange(pairs) % 2 == 0
    images = [f"image {number}".encode() for number in range(2 * pairs)]
    path.write_bytes(pickle.dumps((images, same.tolist())))
    return same


def write_texts(root: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def write_ijb(
    root: Path,
    faces: Mapping[str, tuple[int, int, float]],
    pairs: str,
    search: Mapping[str, Iterable[tuple[int, int]]] | None = None,
    landmarks: Mapping[str, Sequence[float]] | None = None,
    name: str = "ijbb",
) -> None:
    """Makes the lists of a small IJB-B or IJB-C, and images without content.

    faces: template, media and score of each image. search: templates and people of each list of
    one-against-many, such as `gallery_S1`.
    """
    points = {face: " ".join(map(str, (landmarks or {}).get(face, [0] * 10))) for face in faces}
    score = [f"{face} {points[face]} {of[2]}\n" for face, of in faces.items()]
    number = [f"{face} {of[0]} {of[1]}\n" for face, of in faces.items()]
    texts = {
        f"meta/{name}_name_5pts_score.txt": "".join(score),
        f"meta/{name}_face_tid_mid.txt": "".join(number),
        f"meta/{name}_template_pair_label.txt": pairs,
        **{f"loose_crop/{face}": "" for face in faces},
    }
    for kind, rows in (search or {}).items():
        lines = "".join(f"{template},{person},img/x.png\n" for template, person in rows)
        texts[f"meta/{name}_1N_{kind}.csv"] = f"TEMPLATE_ID,SUBJECT_ID,FILENAME\n{lines}"
    write_texts(root, texts)
