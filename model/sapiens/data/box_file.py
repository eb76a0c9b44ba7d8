"""Boxes of people in COCO's JSON: results of a detector, or annotations.

Results are a list of objects with `image_id`, `bbox` (left, top, width, height) and `score`;
annotations are such a list under the key `annotations`, with the pictures under `images`. Rows of
other categories than people (`category_id` 1, or the one named `person`) are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.sapiens.data.files import read_bytes
from webbody.errors import WebbodyError
from webbody.json_text import parse_json

_PERSON = 1
_HUGE = 1e9


@dataclass(frozen=True, eq=False)
class PersonBoxes:
    """The boxes of a picture. boxes (N, 4) float32: xyxy px; scores (N,) float32, 1 if not told.

    is_whole: the one box is the whole picture, in which nobody was found.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    is_whole: bool = False


@dataclass(frozen=True)
class BoxFile:
    """Boxes by the picture's id, and ids by the picture's file name where the file lists them."""

    people: Mapping[int, PersonBoxes]
    names: Mapping[str, int]


def read_box_file(path: Path) -> BoxFile:
    """Read and check a file of boxes; each picture's are in the file's order.

    Raises WebbodyError where it is no JSON of this kind, or has broken rows, of which the first is
    told.
    """
    try:
        content = parse_json(read_bytes(path))
    except ValueError as error:  # also for bytes that are no text
        raise WebbodyError(f"{path}: is no JSON file ({error}).") from error
    listed = content if isinstance(content, dict) else {"annotations": content}
    rows, images = listed.get("annotations"), listed.get("images", [])
    if not isinstance(rows, list) or not isinstance(images, list):
        raise WebbodyError(
            f"{path}: holds no boxes: give a list of objects with image_id and bbox, or one under "
            "the key `annotations`, as COCO's files have it."
        )
    names: dict[str, int] = {}
    for at, image in enumerate(images):
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not _whole(image.get("id")) or name in names:
            raise WebbodyError(
                f"{path}: row {at} of `images` needs an id and a file_name of its own."
            )
        names[name] = image["id"]
    person = _category(listed.get("categories"))
    found: dict[int, list[tuple[list[float], float]]] = {number: [] for number in names.values()}
    for at, row in enumerate(rows):
        if isinstance(row, dict) and row.get("category_id", person) != person:
            continue
        if (wrong := _wrong(row)) or (images and row["image_id"] not in found):
            raise WebbodyError(
                f"{path}: row {at} of the boxes {wrong or 'is of a picture that is not listed'}; "
                "mend or remove it."
            )
        x, y, width, height = row["bbox"]
        box = [x, y, x + width, y + height]
        found.setdefault(row["image_id"], []).append((box, row.get("score", 1)))
    people = {
        image: PersonBoxes(
            np.array([box for box, _ in both], np.float32).reshape(-1, 4),
            np.array([score for _, score in both], np.float32),
        )
        for image, both in found.items()
    }
    return BoxFile(people, names)


def _wrong(row: Any) -> str:
    """What is wrong with a row of boxes; empty if nothing."""
    if not isinstance(row, dict):
        return "is no object"
    if not _whole(row.get("image_id")):
        return "has no image_id that is a whole number"
    box = row.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_number, box)):
        return "has no bbox of four finite numbers (left, top, width, height)"
    if box[2] <= 0 or box[3] <= 0:
        return "has an empty box"
    score = row.get("score", 1)
    return "" if _number(score) and 0 <= score <= 1 else "has a score that is not from 0 to 1"


def _category(rows: Any) -> Any:
    """The id of people."""
    named = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    ids = [row.get("id") for row in named if row.get("name") == "person"]
    return ids[0] if ids else _PERSON


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _HUGE


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
