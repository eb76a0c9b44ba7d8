"""Packing an import: white-letterboxed squares with detected keypoints."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model.shard_samples import FOREGROUND
from pipelines.base.batches import batched
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.base.tally import PhotoTally
from pipelines.detection.sapiens_foreground import SapiensForeground, foreground
from pipelines.detection.subject import Finder
from pipelines.inference.pictures import find_subjects
from pipelines.stages.pack import SCHEMA
from webbody.config import PackSettings, WorkerResources
from webbody.errors import WebbodyError
from webbody.images import RGB, decode, encode_jpeg

TRAIN = "train"
_BOX = [0.0, 0.0, 1.0, 1.0]
#: Row, square and keypoints of a picture.
_Found = tuple[Mapping[str, Any], RGB, NDArray[np.float32]]


class PackImport(Stage[PackSettings]):
    """Writes a shard such as train-000000 as a build's pack stage does; images are whole people.

    The JSON of a sample has `source`, the data set's name, and no URL. A picture that cannot be
    decoded is left out; the counts tell how many for each reason. resources: of the foregrounds'
    model, where one is set.
    """

    name = "pack"
    needs = ("plan",)

    def __init__(
        self,
        settings: PackSettings,
        resources: WorkerResources,
        source: str,
        root: Path,
        finder: Finder,
        max_pixels: int,
    ) -> None:
        super().__init__(settings, resources)
        self._source, self._root = source, root
        self._finder, self._max_pixels = finder, max_pixels

    @cached_property
    def _foreground(self) -> SapiensForeground | None:
        """Loaded where something is packed."""
        return foreground(self.settings, self.resources)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        rows = {row["image"]: row for row in inputs.table("plan").to_pylist()}
        tar = outputs.tar()
        index: list[dict[str, Any]] = []
        lost: Counter[str] = Counter()
        for row, image, keypoints, mask in self._with_foregrounds(
            self._pictures(rows, outputs.tally, lost)
        ):
            key, person = row["key"], row["person"]
            jpeg = encode_jpeg(image, self.settings.quality)
            about = sample_json(row, self._source, keypoints, self.settings.size)
            offset, length = tar.add(f"{key}.jpg", jpeg)
            if mask is not None:
                tar.add(f"{key}.{FOREGROUND}", mask)
            tar.add(f"{key}.cls", str(person).encode())
            tar.add(f"{key}.json", about)
            values = (key, person, TRAIN, hashlib.sha256(jpeg).hexdigest(), offset, length)
            index.append(dict(zip(SCHEMA.names, values, strict=True)))
        outputs.table(pa.Table.from_pylist(index, SCHEMA))
        people = len({row["person"] for row in index})
        return {"in": len(rows), "out": len(index), "people": people, **lost}

    def _pictures(
        self, rows: Mapping[str, Mapping[str, Any]], tally: PhotoTally, lost: Counter[str]
    ) -> Iterator[_Found]:
        """Row, square and keypoints of each picture that can be decoded; `lost` counts the rest."""
        for sample in find_subjects(
            str(self._root), list(rows), lambda image: self._read(rows[image]), self._finder
        ):
            tally.add(sample.key, sample.outcome)
            if sample.image is None or sample.keypoints is None:
                lost[sample.outcome or "image:unreadable"] += 1
            else:
                yield rows[sample.key], sample.image, sample.keypoints

    def _with_foregrounds(
        self, found: Iterable[_Found]
    ) -> Iterator[tuple[Mapping[str, Any], RGB, NDArray[np.float32], bytes | None]]:
        if self._foreground is None:
            yield from ((*one, None) for one in found)
            return
        for together in batched(found, self.resources.batch):
            sizes = [(row["width"], row["height"]) for row, _, _ in together]
            masks = self._foreground([square for _, square, _ in together], sizes)
            yield from ((*one, mask) for one, mask in zip(together, masks, strict=True))

    def _read(self, row: Mapping[str, Any]) -> RGB:
        path = self._root / row["image"]
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise WebbodyError(f"{path} has changed while it was imported; run the command again.")
        return decode(data, self._max_pixels)


def sample_json(
    row: Mapping[str, Any], source: str, keypoints: NDArray[np.float32], size: int
) -> bytes:
    """A sample's description, as a build writes it but for the URL that it does not have.

    keypoints: (19, 3) x, y in fractions of the final image of `size` pixels, and visibility.
    A frame of a track also has the data set's number of the `track`, and its place in it, `frame`.
    """
    points = keypoints * np.array([size, size, 1], np.float32)
    sample = {
        "key": row["key"],
        "person": row["person"],
        "split": TRAIN,
        "source": source,
        "sha256": row["sha256"],
        "box": _BOX,
        "width": row["width"],
        "height": row["height"],
        "keypoints": [[round(float(value), 2) for value in point] for point in points],
    }
    if row["track"] is not None:
        sample |= {"track": f"{source}/{row['track']}", "frame": row["frame"]}
    return json.dumps(sample, ensure_ascii=False, separators=(",", ":")).encode()
