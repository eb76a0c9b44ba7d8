"""Parsing samples of shards."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError
from webbody.folder_walk import is_hidden
from webbody.images import SUFFIXES
from webbody.json_text import parse_json
from webbody.shards import located_members
from webbody.skeleton import COUNT

#: Endings of members that can be a sample's picture.
PICTURES = tuple(suffix.removeprefix(".") for suffix in SUFFIXES)
#: The ending of the member that says where a person is: grey, of the picture's size, 255 there.
FOREGROUND = "foreground.png"


@dataclass(frozen=True)
class Members:
    """The members of a sample: contents and offsets in the tar, by the ending of their names."""

    source: str
    key: str
    data: dict[str, bytes] = field(default_factory=dict)
    offset: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """A sample before its picture is decoded.

    picture: the file's bytes, `length` of them at `offset` of the tar. keypoints: (19, 3) float32
    in pixels of the picture, and visibility. about: the JSON.
    """

    picture: bytes
    offset: int
    keypoints: NDArray[np.float32]
    person: int | None
    about: dict[str, Any]


def read_samples(file: IO[bytes], source: str) -> Iterator[Members]:
    """The samples of a tar, in its order; WebDataset's rule: the first dot ends the key.

    Hidden and system files are no members of samples, such as the twins `._a.jpg` that macOS packs.
    Raises WebbodyError where the tar is damaged or holds nothing.
    """
    count = 0
    try:
        seen = (member for member in located_members(file) if not _hidden(member[0]))
        for key, members in groupby(seen, lambda member: _split(member[0])[0]):
            count += 1
            sample = Members(source, key)
            for name, offset, data in members:
                ending = _split(name)[1]
                sample.data[ending], sample.offset[ending] = data, offset
            yield sample
    except tarfile.TarError as error:
        raise WebbodyError(f"{source} is damaged or no tar ({error})") from error
    if count == 0:
        raise WebbodyError(f"{source} holds no samples")
    if file.seekable() and not _has_end(file):
        raise WebbodyError(f"{source} is cut off behind a member: copy it again")


def _has_end(file: IO[bytes]) -> bool:
    """Whether the tar ends as all do, in two empty blocks: tarfile does not miss them."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 2 * tarfile.BLOCKSIZE))
    return not file.read().strip(b"\0")


def _hidden(name: str) -> bool:
    return any(is_hidden(part) for part in name.split("/") if part != ".")


def _split(name: str) -> tuple[str, str]:
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return folder + slash + stem, ending.lower()


def picture_of(members: Members) -> tuple[bytes, int]:
    """The picture's bytes and their offset in the tar; WebbodyError where there is none."""
    ending = next((ending for ending in PICTURES if ending in members.data), None)
    if ending is None:
        raise WebbodyError(f"{members.source}: {members.key} has no picture")
    return members.data[ending], members.offset[ending]


def describe(members: Members) -> Described:
    """The sample that the members make.

    They are `<key>.jpg` (or .png, .webp and others) and `<key>.json` with `keypoints`, 19 x [x, y,
    visibility], and there may be `<key>.cls`, the person's number. Raises WebbodyError for others.
    """
    data, source, key = members.data, members.source, members.key
    ending = next((ending for ending in PICTURES if ending in data), None)
    if ending is None or "json" not in data:
        raise WebbodyError(f"{source}: {key} is no sample: it lacks the .jpg or the .json")
    try:
        about = parse_json(data["json"])
        points = np.array(about["keypoints"], np.float32)
        person = int(data["cls"]) if "cls" in data else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WebbodyError(
            f"{source}: {key} has no keypoints in its .json or no number in .cls"
        ) from (error)
    if points.shape != (COUNT, 3):
        raise WebbodyError(
            f"{source}: {key} has keypoints of shape {points.shape}, not ({COUNT}, 3)"
        )
    return Described(data[ending], members.offset[ending], points, person, about)
