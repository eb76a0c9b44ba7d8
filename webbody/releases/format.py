"""The format of a release: its columns, and `release.json`, which lists what belongs to it."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any

import pyarrow as pa
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from webbody import skeleton
from webbody.errors import WebbodyError
from webbody.json_text import parse_json

RELEASE_FILE = "release.json"
FORMAT, FORMAT_VERSION = "webbody-release", 1
SPLITS = ("train", "validation", "test")

#: The columns of `data/*.parquet`, in order; a row is a sample. docs/releases.md says what they
#: hold. Nothing here may come from a name, from face features or from pixels alone.
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("url", pa.string()),
        ("person", pa.int64()),
        ("split", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("box", pa.list_(pa.float64())),
        ("keypoints", pa.list_(pa.float32())),
        ("phash", pa.int64()),
        ("fetched", pa.date32()),
        ("etag", pa.string()),
        ("last_modified", pa.string()),
        ("opt_out", pa.string()),
        ("source", pa.string()),
    ]
)
#: What the columns hold, in words.
COLUMNS = {
    "key": "what the sample is called: blake2b-80 of the URL's sha256 and the crop's rectangle",
    "url": "where the picture was fetched",
    "person": "a number for the person; it says nothing else, and stays from version to version",
    "split": "train, validation or test",
    "sha256": "of the picture's bytes as they were fetched",
    "width": "of the whole picture, upright, in pixels",
    "height": "of the whole picture, upright, in pixels",
    "box": "where the person is: left, top, right, bottom as fractions of width and height; times "
    "these and rounded they are whole pixels",
    "keypoints": "19 x (x, y, visibility) in the square picture that is made of the box: nose, "
    "left and right eye, mouth corner, ear, shoulder, elbow, wrist, hip, knee, ankle of the "
    "subject; absent points are 0, 0, 0",
    "phash": "perceptual hash of the whole picture, 64 bits: tells the same picture in other bytes "
    "from another picture",
    "fetched": "day of the download (UTC); null where it was not noted",
    "etag": "the server's version of the picture (ETag), if it gave one",
    "last_modified": "the day from which the server said the picture is, if it did",
    "opt_out": "signal by which the owner reserved the use at the download; null: none is known",
    "source": "name of the release",
}
#: Lengths of the lists: xyxy, and 19 x (x, y, visibility).
LIST_LENGTHS = {"box": 4, "keypoints": 3 * skeleton.COUNT}
#: Rows of a file and of a row group.
FILE_ROWS, GROUP_ROWS = 1_000_000, 10_000

#: A data file's place: nothing in a stranger's list leads out of the release.
_PLACE = re.compile(rf"data/({'|'.join(SPLITS)})-\d{{5,}}\.parquet")


#: More shards than any list needs, and a side that no picture of a person needs.
_MOST_SHARDS, _MOST_PIXELS = 999_999, 4096


def removals_place(text: str) -> str:
    """Where a list of removals lies: a URL, or a file beside release.json.

    Raises ValueError for what leads elsewhere.
    """
    if text and "://" not in text and (text in (".", "..") or set(text) & set("/\\:\0")):
        raise ValueError("it must be a URL, or the name of a file in the release")
    return text


def _of_known_splits(shards: Mapping[str, int]) -> Mapping[str, int]:
    for name in shards:
        if name not in SPLITS:
            raise ValueError(f"{name!r} is no split; it is one of {', '.join(SPLITS)}")
    return shards


def _placed(files: Mapping[str, "DataFile"]) -> Mapping[str, "DataFile"]:
    for name in files:
        if not _PLACE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a data file")
    return files


def data_file(split: str, number: int) -> str:
    """The name of a data file, such as data/train-00000.parquet."""
    return f"data/{split}-{number:05d}.parquet"


def split_of(file: str) -> str:
    """The split whose samples a data file holds."""
    return file.removeprefix("data/").split("-")[0]


def splits_of(files: Iterable[str]) -> list[str]:
    """The splits that have data files, in their usual order."""
    found = {split_of(name) for name in files}
    return [split for split in SPLITS if split in found]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class DataFile(_Part):
    """A file of samples: sha256 (hex), bytes, rows."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]
    rows: Annotated[int, Field(ge=0)]


class PackedAs(_Part):
    """How the publisher packed: side of the square in pixels, JPEG quality."""

    size: Annotated[int, Field(ge=1, le=_MOST_PIXELS)]
    quality: Annotated[int, Field(ge=1, le=100)]


class ShuffledAs(_Part):
    """How samples were placed: the seed, and the number of shards of each split."""

    seed: Annotated[int, Field(ge=0)]
    shards: Annotated[
        Mapping[str, Annotated[int, Field(ge=0, le=_MOST_SHARDS)]],
        AfterValidator(_of_known_splits),
    ]


class Earlier(_Part):
    """The version before, and the digest of its shards."""

    version: str
    data_digest: str = ""


class ReleaseInfo(_Part):
    """The content of release.json; unknown fields of later versions are ignored.

    Attributes:
        name: Name of the data set.
        version: Version of the release.
        created: Day of the release.
        draft: Whether it is not meant for publication.
        samples: Number of samples.
        people: Number of people.
        pack: How the publisher packed the samples.
        shuffle: How the publisher shuffled them.
        files: The data files by name.
        data_digest: sha256 of the publisher's shards (`digest_of_shards`), for citations.
        code: Version of webbody.
        previous: The previous version.
        removals: URL or file of the newest list of removals.
        contact: Where to ask for removals.
    """

    name: str
    version: str
    created: date
    draft: bool
    samples: Annotated[int, Field(ge=0)]
    people: Annotated[int, Field(ge=0)]
    pack: PackedAs
    shuffle: ShuffledAs
    files: Annotated[Mapping[str, DataFile], AfterValidator(_placed)]
    data_digest: str
    code: str
    previous: Earlier | None = None
    removals: Annotated[str, AfterValidator(removals_place)]
    contact: str

    @model_validator(mode="after")
    def _adds_up(self) -> "ReleaseInfo":
        rows = sum(file.rows for file in self.files.values())
        if rows != self.samples:
            raise ValueError(f"samples is {self.samples}, and its files hold {rows} rows")
        if self.people > self.samples:
            raise ValueError(f"people is {self.people}, and there are {self.samples} samples")
        for split in splits_of(self.files):
            if not self.shuffle.shards.get(split):
                raise ValueError(f"shuffle.shards has no number for the split {split}")
        return self

    def to_json(self) -> bytes:
        """Serialise.

        Returns:
            The content of release.json.
        """
        content = {"format": FORMAT, "format_version": FORMAT_VERSION}
        content |= self.model_dump(mode="json")
        return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def read_info(data: bytes, where: str) -> ReleaseInfo:
    """Parse release.json.

    Args:
        data: Its content, which strangers wrote.
        where: What it is called in an error.

    Raises:
        WebbodyError: It is none, is of a newer version of the format, or lacks something.
    """
    try:
        content: Any = parse_json(data)
    except (ValueError, RecursionError) as error:
        raise WebbodyError(f"{where}: is no valid JSON; fetch the release again.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WebbodyError(f'{where}: describes no release ("format" is not "{FORMAT}").')
    version = content.get("format_version")
    if type(version) is not int or version < 1:
        raise WebbodyError(f"{where}: format_version {version!r} is no number from 1 on.")
    if version > FORMAT_VERSION:
        raise WebbodyError(
            f"{where}: is written in version {version} of the release format, and this webbody "
            f"reads up to version {FORMAT_VERSION}; install a newer one."
        )
    try:
        return ReleaseInfo.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        raise WebbodyError(
            f"{where}: {field + ': ' if field else ''}{message}; fetch the release again."
        ) from error


def check_columns(schema: pa.Schema, where: str) -> None:
    """Raise a WebbodyError that names every column which is not as the format has it."""
    found = {name: [schema.field(i) for i in schema.get_all_field_indices(name)] for name in
             dict.fromkeys(schema.names)}  # fmt: skip
    wrong = [f"{field.name} is missing" for field in SCHEMA if field.name not in found]
    for name, fields in found.items():
        if name not in SCHEMA.names:
            wrong.append(f"{name} is not one of the format")
        elif len(fields) > 1:
            wrong.append(f"{name} is there {len(fields)} times")
        elif fields[0].type != SCHEMA.field(name).type:
            wrong.append(f"{name} is {fields[0].type}, not {SCHEMA.field(name).type}")
    if wrong:
        raise WebbodyError(
            f"{where}: has changed columns ({'; '.join(wrong)}); take the file as it was released."
        )
