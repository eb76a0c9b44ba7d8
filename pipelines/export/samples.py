"""The packed samples of a finished build, read tar by tar; of a tar one sample is in memory."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model.shard_samples import Members, picture_of, read_samples
from pipelines.base.stage import Inputs
from pipelines.engine.graph import FROM_URLS, IDENTITIES, PACK, PLAN, graph_of
from pipelines.engine.state import outcome_counts
from pipelines.inspection.status import status
from webbody import skeleton
from webbody.build_records import BuildRecords
from webbody.commit import ALL
from webbody.errors import WebbodyError
from webbody.geometry import fitted
from webbody.images import ImageError, probe
from webbody.json_text import parse_json
from webbody.removals import RemovalLists, lists_in
from webbody.storage import Folder

#: What may be part of a file's name: nothing in a stranger's folder leads out of the export.
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class PackedPicture:
    """A packed sample as it leaves the build.

    shard: of the build, such as train-000000. person: None in builds of whole photos. picture: the
    JPEG's bytes, as packed, of `size` (width, height). width, height, sha256: of the original.
    crop: the rectangle of the original that was packed, xyxy in fractions; None: all of it. boxes:
    of people, xyxy in pixels of the picture. scores: of the boxes, where a detector gave them.
    keypoints: (19, 3) in pixels of the picture, and visibility; None where none were looked for.
    url, names: where it was found and under which names; empty unless they are asked for.
    """

    shard: str
    key: str
    split: str
    person: int | None
    picture: bytes
    size: tuple[int, int]
    width: int
    height: int
    sha256: str
    crop: Box | None
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]
    keypoints: NDArray[np.float32] | None
    url: str = ""
    names: tuple[str, ...] = ()


class PackedPictures:
    """The samples of a finished build that may leave it; `left_out` counts those taken down.

    waiting: a sentence where people said something that only the next build will heed.

    Args:
        out: Folder or URL of the build.
        with_names: Whether names and URLs go with the samples.
        removals: Further lists of what was taken down, beside the build's own.

    Raises:
        WebbodyError: The folder holds no finished build, or nothing was kept in it.
    """

    def __init__(
        self, out: str, *, with_names: bool = False, removals: RemovalLists | None = None
    ) -> None:
        state = status(out)
        if not state.complete:
            raise WebbodyError(
                f"{out}: is not complete, so there is nothing to export yet; `webbody status "
                f"{out}` says what is missing."
            )
        self.folder, self.with_names, self.waiting = Folder(out), with_names, state.waiting
        self.records = BuildRecords(self.folder)
        self.packs = self.records.packs or ()
        if not self.packs:
            raise WebbodyError(f"{out}: nothing was kept in this build; nothing to export.")
        graph = graph_of(self.records.build.get("stages"))
        self.has_people = graph is not FROM_URLS
        self._named = with_names and graph.has(IDENTITIES.name)
        further = removals.lists if removals else ()
        self._removals = RemovalLists((*lists_in(self.folder).lists, *further))
        self.left_out = 0

    @property
    def rows(self) -> int:
        """Rows of the list that was built from."""
        return self.records.need(PLAN.name).counts["in"]

    @property
    def outcomes(self) -> dict[str, int]:
        """What became of these rows, most frequent first."""
        found, _ = outcome_counts(self.records, self.records.shards)
        return {outcome: count for outcome, count in found.items() if count}

    @property
    def splits(self) -> dict[str, list[str]]:
        """The shards of each split."""
        found: dict[str, list[str]] = {}
        for pack in self.packs:
            found.setdefault(pack.partition("-")[0], []).append(pack)
        return found

    @cached_property
    def _names(self) -> dict[int, list[str]]:
        """The names under which each person was looked for."""
        if not self._named:
            return {}
        self.records.need(IDENTITIES.name)
        people = Inputs(self.folder, ALL).table(IDENTITIES.name, "people", ["person", "names"])
        return dict(zip(people["person"].to_pylist(), people["names"].to_pylist(), strict=True))

    def __iter__(self) -> Iterator[PackedPicture]:
        for pack in self.packs:
            yield from self._of(pack)

    def _of(self, pack: str) -> Iterator[PackedPicture]:
        """The samples of a shard, in its order."""
        self.records.need(PACK.name, pack)
        table = Inputs(self.folder, pack).table(PACK.name, columns=["key", "sha256"])
        digests = dict(zip(table["key"].to_pylist(), table["sha256"].to_pylist(), strict=True))
        where = f"{PACK.name}/{pack}.tar"
        try:
            with self.folder.open(where) as file:
                for members in read_samples(file, f"{self.folder.url}/{where}"):
                    sample = self._sample(pack, members, digests.pop(members.key, None))
                    if sample is not None:
                        yield sample
        except (OSError, pa.ArrowException) as error:
            raise WebbodyError(
                f"{self.folder.url}/{where}: cannot be read ({error}); `webbody verify "
                f"{self.folder.url} --repair` makes it again."
            ) from error
        if digests:
            raise self._altered(pack, next(iter(digests)))

    def _sample(self, pack: str, members: Members, digest: str | None) -> PackedPicture | None:
        """The sample that these members make; None where it was taken down."""
        picture, _ = picture_of(members)
        if hashlib.sha256(picture).hexdigest() != digest or not _NAME.fullmatch(members.key):
            raise self._altered(pack, members.key)
        try:
            about = parse_json(members.data["json"])
            sample = self._described(pack, members.key, about, picture)
            url = str(about.get("url", ""))
        except (KeyError, ValueError, TypeError, AttributeError, ImageError) as error:
            raise self._altered(pack, members.key) from error
        taken = self._removals.contains(
            url=url or None, sha256=sample.sha256, person=sample.person, sample=sample.key
        )
        self.left_out += taken
        return None if taken else sample

    def _altered(self, pack: str, key: str) -> WebbodyError:
        return WebbodyError(
            f"{self.folder.url}/{PACK.name}/{pack}.tar: {key} is not as it was packed; `webbody "
            f"verify {self.folder.url} --repair` makes it again."
        )

    def _described(
        self, pack: str, key: str, about: dict[str, Any], picture: bytes
    ) -> PackedPicture:
        header = probe(picture)
        size = header.width, header.height
        person = int(about["person"]) if self.has_people else None
        crop = _box(about["box"]) if "box" in about else None
        original = int(about["width"]), int(about["height"])
        boxes = tuple(_box(box) for box in about.get("boxes", ()))
        if crop is not None:
            boxes = (on_picture(crop, *original, size[0]),)
        keypoints = None
        if "keypoints" in about:
            keypoints = np.array(about["keypoints"], np.float32).reshape(skeleton.COUNT, 3)
        named = self._names.get(person, []) if person is not None else []
        return PackedPicture(
            shard=pack,
            key=key,
            split=pack.partition("-")[0],
            person=person,
            picture=picture,
            size=size,
            width=original[0],
            height=original[1],
            sha256=str(about["sha256"]),
            crop=crop,
            boxes=boxes,
            scores=tuple(float(score) for score in about.get("scores", ())),
            keypoints=keypoints,
            url=str(about.get("url", "")) if self.with_names else "",
            names=tuple(named),
        )


def on_picture(crop: Box, width: int, height: int, size: int) -> Box:
    """Where the crop of a photo lies on its white square of `size` pixels; xyxy.

    crop: xyxy in fractions of the photo, which is width x height.
    """
    wide, high = round((crop[2] - crop[0]) * width), round((crop[3] - crop[1]) * height)
    _, new_width, new_height, left, top = fitted(max(1, wide), max(1, high), size)
    return float(left), float(top), float(left + new_width), float(top + new_height)


def _box(values: Any) -> Box:
    x1, y1, x2, y2 = (float(value) for value in values)
    return x1, y1, x2, y2
