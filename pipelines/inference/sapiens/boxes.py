"""Where the people of pictures are: told by a file, found by a detector, or everywhere."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.sapiens.data.box_file import PersonBoxes, read_box_file
from pipelines.inference.sapiens.pictures import NamedPicture
from webbody.errors import WebbodyError
from webbody.images import RGB

if TYPE_CHECKING:
    from pipelines.detection.person_detection import PersonDetector

#: The people of pictures that are looked at together.
FindPeople = Callable[[Sequence[NamedPicture], Sequence[RGB]], list[PersonBoxes]]


def whole_pictures(pictures: Sequence[NamedPicture], pixels: Sequence[RGB]) -> list[PersonBoxes]:
    """Each picture is one person."""
    return [_whole(image) for image in pixels]


def told_boxes(path: Path, pictures: Sequence[NamedPicture]) -> FindPeople:
    """Boxes of a COCO file, clipped to their pictures; those wholly outside are left out.

    A picture is found by its path or its file's name. Raises WebbodyError for files that
    `read_box_file` refuses, and where a picture is not listed.
    """
    file = read_box_file(path)
    if not file.names:
        raise WebbodyError(
            f"{path}: lists no pictures under `images`, so nobody knows which one a box is of; add "
            "them with id and file_name."
        )
    by_last: dict[str, set[int]] = {}
    for name, image in file.names.items():
        by_last.setdefault(name.rpartition("/")[2], set()).add(image)
    boxes: dict[NamedPicture, PersonBoxes] = {}
    missing: list[str] = []
    for picture in pictures:
        same = by_last.get(picture.name.rpartition("/")[2], set())
        if picture.name in file.names:
            boxes[picture] = file.people[file.names[picture.name]]
        elif len(same) == 1:
            boxes[picture] = file.people[next(iter(same))]
        else:
            missing.append(picture.path)
    if missing:
        others = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
        raise WebbodyError(f"{path}: does not list {missing[0]}{others}; leave it out or add it.")
    return lambda together, pixels: [
        _inside(boxes[picture], image) for picture, image in zip(together, pixels, strict=True)
    ]


def detected(detector: "PersonDetector") -> FindPeople:
    """The people that a detector finds; a picture without any is one person."""

    def find(pictures: Sequence[NamedPicture], pixels: Sequence[RGB]) -> list[PersonBoxes]:
        found = (PersonBoxes(people.boxes, people.scores) for people in detector(pixels))
        return [
            people if len(people.boxes) else replace(_whole(image), is_whole=True)
            for people, image in zip(map(_inside, found, pixels), pixels, strict=True)
        ]

    return find


def _whole(image: RGB) -> PersonBoxes:
    height, width = image.shape[:2]
    return PersonBoxes(np.array([[0, 0, width, height]], np.float32), np.ones(1, np.float32))


def _inside(people: PersonBoxes, image: RGB) -> PersonBoxes:
    height, width = image.shape[:2]
    boxes = np.clip(people.boxes, 0, np.array([width, height] * 2, np.float32))
    kept = (boxes[:, 2:] > boxes[:, :2]).all(1)
    return PersonBoxes(boxes[kept], people.scores[kept])
