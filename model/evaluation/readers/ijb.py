"""IJB-B and IJB-C: images of templates, a list of pairs, and lists of who is searched where."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from model.evaluation.readers.disk import find_root
from model.evaluation.readers.ijb_search import read_search, search_lists
from webbody.errors import WebbodyError

_LANDMARKS = [f"{axis}{point}" for point in range(5) for axis in "xy"]


@dataclass(frozen=True)
class Ijb:
    """name: `ijbb` or `ijbc`, as its lists say.

    images: columns image (below the data set's folder), template, media, score (the detector's)
    and landmarks (x1, y1 ... y5, in pixels of the image; not finite where the list has no number).
    first, second (P,): templates of the pairs. same (P,): whether they show one person.
    search: columns template, person and role (`ijb_search.SCHEMA`) of one-against-many; None where
    some of its lists, named in `missing`, are not there.
    """

    name: str
    images: pa.Table
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]
    search: pa.Table | None
    missing: list[str]


def read_ijb(path: str | os.PathLike[str]) -> Ijb:
    """IJB-B or IJB-C as insightface distributes it: folders `loose_crop` and `meta`.

    Raises WebbodyError where a list is missing, is written in another way, disagrees with
    another, or names a template without images. The lists of one-against-many may be missing.
    """
    root = find_root(path, ["loose_crop", "meta"])
    name = next((n for n in ("ijbb", "ijbc") if list((root / "meta").glob(f"{n}_*"))), None)
    if name is None:
        raise WebbodyError(f"{root / 'meta'}: there are no lists ijbb_*.txt or ijbc_*.txt here")
    faces = _read(
        root / "meta" / f"{name}_name_5pts_score.txt",
        {"image": pa.string(), **dict.fromkeys([*_LANDMARKS, "score"], pa.float32())},
    )
    numbers = _read(
        root / "meta" / f"{name}_face_tid_mid.txt",
        {"image": pa.string(), "template": pa.int64(), "media": pa.int64()},
    )
    if faces["image"] != numbers["image"]:
        raise WebbodyError(
            f"{root / 'meta'}: {name}_name_5pts_score.txt and {name}_face_tid_mid.txt name "
            "different images, or in another order"
        )
    pair_path = root / "meta" / f"{name}_template_pair_label.txt"
    pairs = _read(pair_path, dict.fromkeys(("first", "second", "same"), pa.int64()))
    first, second, same = (pairs[column].to_numpy() for column in ("first", "second", "same"))
    templates = numbers["template"].to_numpy()
    unknown = np.setdiff1d([first, second], templates)
    if len(unknown):
        raise WebbodyError(f"{pair_path}: template {unknown[0]} has no images")
    points = np.stack([faces[column].to_numpy() for column in _LANDMARKS], 1)
    images = pa.table(
        {
            "image": pa.array([f"loose_crop/{image}" for image in faces["image"].to_pylist()]),
            "template": numbers["template"],
            "media": numbers["media"],
            "score": faces["score"],
            "landmarks": pa.FixedSizeListArray.from_arrays(pa.array(points.ravel()), 10),
        }
    )
    lists = search_lists(root / "meta", name)
    missing = [list_.name for list_ in lists.values() if not list_.is_file()]
    search = None if missing else read_search(lists, templates)
    return Ijb(name, images, first, second, same.astype(bool), search, missing)


def _read(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    """A list of fields separated by spaces."""
    if not path.is_file():
        raise WebbodyError(f"{path}: there is no such file")
    try:
        table = pa.csv.read_csv(
            path,
            pa.csv.ReadOptions(column_names=list(columns)),
            pa.csv.ParseOptions(delimiter=" ", quote_char=False),
            pa.csv.ConvertOptions(column_types=columns, strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise WebbodyError(
            f"{path}: its lines should be {' '.join(columns)}, separated by spaces ({reason})"
        ) from error
    return table.combine_chunks()
