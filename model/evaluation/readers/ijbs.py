"""IJB-S: videos from surveillance cameras and drones against galleries of still images."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePath

import pyarrow as pa

from model.evaluation.readers.disk import find_root, images_below, list_lines, whole_number
from webbody.errors import WebbodyError

_METADATA = "cs6_metadata.csv"
#: Lists of videos and pictures whose people are probes.
_PROBES = {
    "surveillance": "cs6_surveillance_to_single-booking_probe.csv",
    "uav": "cs6_uav_to_single-booking_probe.csv",
}
_GALLERIES = {
    f"{kind}_g{number}": f"galleries/cs6_surveillance_to_{kind}_g{number}.csv"
    for kind in ("single", "booking")
    for number in (1, 2)
}
#: image: below the folder `crops`, null where the crop is missing; role: what the template is in.
SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("template", pa.int64()),
        ("person", pa.int64()),
        ("role", pa.string()),
    ]
)


def read_ijbs(path: str | os.PathLike[str]) -> pa.Table:
    """Images of templates, and their roles: a row for each image of each template (`SCHEMA`).

    Roles are the probes `surveillance` and `uav` and the galleries `single_g1`, `single_g2`,
    `booking_g1`, `booking_g2`. A probe's template is a person in a video; a template of a single
    gallery is an image, one of a booking gallery is all booking images of a person. A template
    without crops has one row without an image: its feature is zeros, and nobody finds it.

    The folder holds the protocols' `cs6_metadata.csv`, probe lists and `galleries`, and the crops
    `crops/PERSON/videos_VIDEO_FRAME.jpg` and `crops/PERSON/img_NUMBER.jpg`. Raises WebbodyError
    for missing files and for lists that are written in another way.
    """
    root = find_root(path, [_METADATA, *_PROBES.values(), *_GALLERIES.values(), "crops"])
    crops = _crops(root)
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for number, (person, sources, role) in enumerate(_templates(root)):
        names = [PurePath(source).with_suffix("").as_posix() for source in sources]
        images: list[str | None] = [
            image for name in names for image in crops.get((person, name), [])
        ]
        for image in images or [None]:
            for name, value in zip(SCHEMA.names, (image, number, person, role), strict=True):
                columns[name].append(value)
    return pa.table(columns, SCHEMA)


def _templates(root: Path) -> Iterator[tuple[int, list[str], str]]:
    """Person, videos or images such as `videos/4012.mp4`, and role of each template."""
    people: dict[str, list[int]] = defaultdict(list)
    for person, source in _after_heading(root, _METADATA, 0, 1):
        if person not in people[source]:
            people[source].append(person)
    for role, name in _PROBES.items():
        for (source,) in list_lines(root, name, 1)[1:]:
            if source not in people:
                raise WebbodyError(f"{root / name}: {source} is not in {_METADATA}")
            # Of a still picture the official code takes the first person only.
            for person in people[source] if source.startswith("videos") else people[source][:1]:
                yield person, [source], role
    for role, name in _GALLERIES.items():
        images = defaultdict(list)
        for person, image in _after_heading(root, name, 1, 2):
            images[person].append(image)
        for person, own in images.items():
            for template in [own] if role.startswith("booking") else [[image] for image in own]:
                yield person, template, role


def _after_heading(root: Path, name: str, person: int, source: int) -> Iterator[tuple[int, str]]:
    """Person and source of each line of a list, by the numbers of their fields."""
    for line in list_lines(root, name, source + 1, ",")[1:]:
        yield whole_number(line[person], str(root / name)), line[source]


def _crops(root: Path) -> dict[tuple[int, str], list[str]]:
    """The crops of each person in each video or image, by its name in the lists, less the ending.

    `7/videos_4012_00031.jpg` is of person 7 in `videos/4012`, `7/img_3.jpg` of `img/3`.
    """
    found = defaultdict(list)
    for image in images_below(root, "crops", ".jpg"):
        crop = PurePath(image)
        source = "/".join(crop.stem.split("_")[:2])
        found[whole_number(crop.parent.name, str(root / "crops")), source].append(image)
    return found
