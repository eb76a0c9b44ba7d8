"""The persons stage: photos in, native-resolution crops with boxes and COCO keypoints out."""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.batches import batched_by_weight
from pipelines.base.photos import DownloadedPhoto, read_photos
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.detection.detections import Detections, select
from pipelines.detection.from_settings import person_detector, trusted_person
from pipelines.identity.perceptual_hash import perceptual_hash
from webbody.config import WORKER, PersonsSettings, WorkerResources
from webbody.decoders.pool import Decoders
from webbody.images import ImageError, encode_jpeg

SCHEMA = pa.schema(
    {
        "crop": pa.string(),
        "key": pa.string(),
        "index": pa.int32(),
        "outcome": pa.string(),
        "detail": pa.string(),
        "box": pa.list_(pa.float32()),
        "area": pa.list_(pa.int32()),
        "score": pa.float32(),
        "keypoints": pa.list_(pa.float32()),
        "width": pa.int32(),
        "height": pa.int32(),
        "digest": pa.string(),
        "photo_hash": pa.int64(),
        "offset": pa.int64(),
        "length": pa.int64(),
    }
)

#: Of a photo without a person the best score is told down to this, so that whoever looks for the
#: right threshold sees what another one would find; never above the threshold itself.
FLOOR = 0.1
#: Quality of the crops; with full colour resolution they can be cut and scaled again unharmed.
JPEG_QUALITY = 95
#: Pixels of photos in memory at the same time (3 bytes each).
PIXELS = 100_000_000


#: A row of the table, and the pixels of its crop if there is one.
_Row = tuple[dict[str, Any], NDArray[np.uint8] | None]


class Persons(Stage[PersonsSettings]):
    """Finds the persons of each photo and cuts out the largest.

    Writes a tar of crops and a row for each; a photo without a crop gets one row that says why.
    """

    name = "persons"
    needs = ("download",)
    version = 5  # photos whose restart markers are damaged are left out

    def __init__(self, settings: PersonsSettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self.confidence = trusted_person(settings)
        self.detector = person_detector(settings, resources, min(FLOOR, self.confidence))
        self.decoders = Decoders(resources.threads)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        rows: list[dict[str, Any]] = []
        tar = outputs.tar()
        count = 0
        with ThreadPoolExecutor(self.resources.threads) as pool:
            for window in self.detected(inputs, pool):
                count += len(window)
                found = [row for photo, persons in window for row in self._rows(photo, persons)]
                for (row, _), jpeg in zip(found, pool.map(_encoded, found), strict=True):
                    if jpeg is not None:
                        row["offset"], row["length"] = tar.add(f"{row['crop']}.jpg", jpeg)
                        row["digest"] = hashlib.blake2b(jpeg, digest_size=10).hexdigest()
                    rows.append(row)
                    outputs.tally.add(row["key"], row["outcome"])
        outputs.table(pa.Table.from_pylist(rows, schema=SCHEMA))
        return {"in": count, "out": sum(row["outcome"] is None for row in rows)}

    def detected(
        self, inputs: Inputs, pool: ThreadPoolExecutor
    ) -> Iterator[list[tuple[DownloadedPhoto, Detections]]]:
        """The photos in windows, each with everybody whom the detector reports, also doubtful ones.

        Nobody is in photos that were rejected: by their pixels' errors or the user's filters.
        """
        photos = read_photos(inputs, pool, self.decoders, 2 * self.resources.threads)
        for window in batched_by_weight(
            self._passing(photos), self.resources.batch, lambda photo: photo.pixels, PIXELS
        ):
            images = [photo.image for photo in window if not isinstance(photo.image, ImageError)]
            found = iter(self.detector(images))
            yield [
                (photo, Detections.none() if isinstance(photo.image, ImageError) else next(found))
                for photo in window
            ]

    def _passing(self, photos: Iterator[DownloadedPhoto]) -> Iterator[DownloadedPhoto]:
        """Run the user's filters; dropped photos lose their pixels."""
        for photo in photos:
            if not isinstance(photo.image, ImageError):
                photo.image = self.filters(photo.image, photo.row) or photo.image
            yield photo

    def _rows(self, photo: DownloadedPhoto, doubtful: Detections) -> list[_Row]:
        """The rows of a photo, each with the pixels of its crop if there is one."""
        if isinstance(photo.image, ImageError):
            return [(rejected_photo(photo.key, photo.image.outcome, photo.image.detail), None)]
        rows: list[_Row] = []
        height, width = photo.image.shape[:2]
        persons = doubtful.above(self.confidence)
        large = select(persons, width, height, self.settings.padding, self.settings.min_side)
        kept = large[: self.settings.max_persons]
        if not kept:
            outcome = "person:too-small" if len(persons.boxes) else "person:none"
            rows.append((rejected_photo(photo.key, outcome) | {"score": doubtful.best}, None))
        photo_hash = perceptual_hash(photo.image) if kept else None
        for index, (which, (left, top, right, bottom)) in enumerate(kept):
            row = {
                "crop": f"{photo.key}-{index}",
                "key": photo.key,
                "index": index,
                "outcome": None,
                "box": persons.boxes[which],
                "area": [left, top, right, bottom],
                "score": persons.scores[which],
                "keypoints": persons.keypoints[which].reshape(-1),
                "width": right - left,
                "height": bottom - top,
                "photo_hash": photo_hash,
            }
            rows.append((row, photo.image[top:bottom, left:right]))
        return rows


def _encoded(row: _Row) -> bytes | None:
    return None if row[1] is None else encode_jpeg(row[1], JPEG_QUALITY)


def rejected_photo(key: str, outcome: str, detail: str | None = None) -> dict[str, Any]:
    """The row of a photo without a person."""
    return {"crop": key, "key": key, "index": -1, "outcome": outcome, "detail": detail}
