"""COCO-format keypoint files: every row checked, whatever is wrong told by annotation id.

The format is that of cocodataset.org; the 133 points may be split over the keys of COCO-WholeBody
(`keypoints`, `foot_kpts`, `face_kpts`, `lefthand_kpts`, `righthand_kpts`) or stand in `keypoints`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np

from model.sapiens.data.files import read_bytes
from model.sapiens.metrics.poses import TruePose
from model.sapiens.vocabulary import KeypointVocabulary
from webbody.errors import WebbodyError
from webbody.json_text import parse_json

_KEYS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
#: Of a box, where a file states no area of the person (as CrowdPose's metric has it).
_AREA_OF_BOX = 0.53

#: No coordinate or area is as large; NaN and infinity are not below it either.
_HUGE = 1e12


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """A picture of the file: its id, path below the folder of pictures, and size in pixels."""

    image: int
    path: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class AnnotatedPerson:
    """An annotation: its id and what it says. `usable`: it teaches, so its box was checked too.

    Crowds and people without a labelled point are not usable; they matter to the metric.
    """

    annotation: int
    pose: TruePose
    usable: bool


@dataclass(frozen=True)
class KeypointFile:
    """What a file holds: pictures by id, and people in the order of the file."""

    pictures: Mapping[int, ListedPicture]
    people: tuple[AnnotatedPerson, ...]

    @property
    def truth(self) -> list[TruePose]:
        """All people, for `model.sapiens.metrics.keypoint_figures`."""
        return [person.pose for person in self.people]


class _RowError(WebbodyError):
    """What is wrong with a row."""


def read_keypoint_file(path: Path, vocabulary: KeypointVocabulary) -> KeypointFile:
    """Read and check a file.

    Boxes of usable people are clipped to their picture.

    Raises:
        WebbodyError: No JSON of this format, another number of keypoints than the vocabulary has,
            or broken rows; of those the first is told, with the number of the others.
    """
    try:
        content = parse_json(read_bytes(path))
    except ValueError as error:  # also for bytes that are no text
        raise WebbodyError(f"{path}: is no JSON file ({error}).") from error
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in ("images", "annotations")
    ):
        raise WebbodyError(f"{path}: has no lists `images` and `annotations`, as COCO's files do.")
    pictures = _pictures(path, content["images"])
    categories = _categories(path, content.get("categories"), vocabulary)
    people: list[AnnotatedPerson] = []
    broken: list[str] = []
    for row in content["annotations"]:
        try:
            if person := _person(row, pictures, categories, vocabulary):
                people.append(person)
        except _RowError as error:
            number = row.get("id") if isinstance(row, dict) else None
            broken.append(f"annotation {number if isinstance(number, int) else '?'} {error}")
    if broken:
        others = f" (and {len(broken) - 1:,} more are broken)" if len(broken) > 1 else ""
        raise WebbodyError(f"{path}: {broken[0]}{others}; mend or remove what is broken.")
    return KeypointFile(pictures, tuple(people))


def _pictures(path: Path, rows: list[Any]) -> dict[int, ListedPicture]:
    found: dict[int, ListedPicture] = {}
    for at, row in enumerate(rows):
        picture = _picture(row)
        if picture is None or picture.image in found:
            raise WebbodyError(
                f"{path}: row {at} of `images` needs an id of its own, a file_name below the "
                "folder of pictures, a width and a height."
            )
        found[picture.image] = picture
    return found


def _picture(row: Any) -> ListedPicture | None:
    if not isinstance(row, dict):
        return None
    image, name = row.get("id"), row.get("file_name")
    width, height = row.get("width"), row.get("height")
    if not isinstance(name, str) or not (_whole(image) and _whole(width) and _whole(height)):
        return None
    place = PurePosixPath(name)
    if not name or "\0" in name or place.is_absolute() or ".." in place.parts:
        return None
    picture = ListedPicture(image, name, width, height)
    return picture if picture.width > 0 and picture.height > 0 else None


def _categories(path: Path, rows: Any, vocabulary: KeypointVocabulary) -> set[int] | None:
    """Ids of the categories that are people; None where a file tells no categories apart."""
    named = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    people = [row for row in named if row.get("name") == "person"] or named
    if len(people) > 1:
        raise WebbodyError(f"{path}: has several categories, and none of the name `person`.")
    if not people:
        return None
    names = people[0].get("keypoints")
    if isinstance(names, list):
        _check_names(path, names, vocabulary)
    number = people[0].get("id")
    return {number} if _whole(number) and len(named) > 1 else None


def _check_names(path: Path, names: list[Any], vocabulary: KeypointVocabulary) -> None:
    expected = len(vocabulary)
    # COCO-WholeBody's files name the 17 points of the body alone.
    if len(names) != expected and not (expected == 133 and len(names) == 17):
        raise WebbodyError(
            f"{path}: its people have {len(names)} keypoints, and the vocabulary {expected}; "
            "choose the vocabulary that the file was made with."
        )
    known = vocabulary.names[: len(names)]
    if set(map(str, names)) == set(known) and tuple(names) != known:
        raise WebbodyError(
            f"{path}: names the keypoints in another order than the vocabulary of {expected} "
            f"points; bring them into its order ({known[0]}, {known[1]}, {known[2]} ...)."
        )


def _person(
    row: Any,
    pictures: Mapping[int, ListedPicture],
    categories: set[int] | None,
    vocabulary: KeypointVocabulary,
) -> AnnotatedPerson | None:
    if not isinstance(row, dict):
        raise _RowError("is no object")
    if categories is not None and row.get("category_id") not in categories:
        return None
    if not _whole(row.get("id")):
        raise _RowError("has no id that is a whole number")
    if not _whole(row.get("image_id")) or row["image_id"] not in pictures:
        raise _RowError("is of a picture that is not listed in `images`")
    picture = pictures[row["image_id"]]
    x, y, width, height = _numbers(row.get("bbox"), "a bbox", 4).tolist()
    area = row.get("area", _AREA_OF_BOX * width * height)
    if not _number(area) or area < 0:
        raise _RowError("has an area that is no number of at least 0")
    points = _points(row, vocabulary)
    labelled = points[:, 2] > 0
    if not ((points[:, 2] >= 0) & (points[:, 2] <= 2)).all():
        raise _RowError("has a visibility that is not from 0 to 2")
    points[~labelled] = 0
    crowd = bool(row.get("iscrowd", 0))
    usable = bool(labelled.any()) and not crowd
    box = np.array([x, y, x + width, y + height])
    if usable:
        box = _inside(box, picture)
    pose = TruePose(picture.image, points, box, float(area), crowd)
    return AnnotatedPerson(int(row["id"]), pose, usable)


def _points(row: dict[str, Any], vocabulary: KeypointVocabulary) -> np.ndarray:
    keys = [key for key in _KEYS if key in row]
    if not isinstance(row.get("keypoints"), list):
        raise _RowError("has no list `keypoints`")
    if len(row["keypoints"]) == 3 * len(vocabulary):
        keys = ["keypoints"]
    total = sum(len(row[key]) if isinstance(row[key], list) else 0 for key in keys)
    if total != 3 * len(vocabulary):
        raise _RowError(
            f"has {total} numbers for keypoints, and {len(vocabulary)} points need "
            f"{3 * len(vocabulary)} (x, y and visibility)"
        )
    lists = [_numbers(row[key], f"a list {key}", len(row[key])) for key in keys]
    return np.concatenate(lists).reshape(-1, 3)


def _inside(box: np.ndarray, picture: ListedPicture) -> np.ndarray:
    clipped: np.ndarray = np.clip(box, 0, [picture.width, picture.height] * 2)
    if (box[2:] <= box[:2]).any():
        raise _RowError("has an empty box")
    if (clipped[2:] <= clipped[:2]).any():
        raise _RowError("has a box outside of its picture")
    return clipped


def _numbers(values: Any, what: str, count: int) -> np.ndarray:
    if not isinstance(values, list) or len(values) != count:
        raise _RowError(f"has not {what} of {count} numbers")
    are_numbers = set(map(type, values)) <= {int, float}
    try:
        numbers = np.array(values, float) if are_numbers else None
    except OverflowError:  # a whole number beyond all floats
        numbers = None
    if numbers is None or not (np.abs(numbers) < _HUGE).all():
        raise _RowError(f"has not {what} of finite numbers")
    return numbers


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _HUGE


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
