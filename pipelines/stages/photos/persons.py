"""Persons of a build of whole photos: everybody in each photo, and no crop."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.base.photos import DownloadedPhoto
from pipelines.base.stage import Inputs, Outputs
from pipelines.detection.detections import Detections
from pipelines.stages.persons import SCHEMA as CROPS
from pipelines.stages.persons import Persons, rejected_photo
from webbody.images import ImageError

#: `crop` is the name of a person in the photo; box and keypoints are in pixels of the photo.
SCHEMA = pa.schema(
    [CROPS.field(n) for n in ("crop", "key", "index", "outcome", "detail", "box", "score",
                              "keypoints")]
)  # fmt: skip


class PhotoPersons(Persons):
    """Finds everybody in each photo.

    Writes a row for each person whom the detector trusts, the largest of a photo first; a photo
    without one gets one row that says why. Of the settings those of crops count for nothing.
    """

    version = 1

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        rows: list[dict[str, Any]] = []
        count = 0
        with ThreadPoolExecutor(self.resources.threads) as pool:
            for window in self.detected(inputs, pool):
                count += len(window)
                for photo, doubtful in window:
                    found = self._everybody(photo, doubtful)
                    rows += found
                    outputs.tally.add(photo.key, found[0]["outcome"])
        outputs.table(pa.Table.from_pylist(rows, SCHEMA))
        return {"in": count, "out": sum(row["outcome"] is None for row in rows)}

    def _everybody(self, photo: DownloadedPhoto, doubtful: Detections) -> list[dict[str, Any]]:
        if isinstance(photo.image, ImageError):
            return [rejected_photo(photo.key, photo.image.outcome, photo.image.detail)]
        persons = doubtful.above(self.confidence)
        if not len(persons.boxes):
            return [rejected_photo(photo.key, "person:none") | {"score": doubtful.best}]
        sides = persons.boxes[:, 2:] - persons.boxes[:, :2]
        # Ties are ordered by score, then by position, so that the order is deterministic.
        order = np.lexsort((*persons.boxes.T[::-1], -persons.scores, -sides.prod(1)))
        return [
            {
                "crop": f"{photo.key}-{index}",
                "key": photo.key,
                "index": index,
                "outcome": None,
                "box": persons.boxes[which],
                "score": persons.scores[which],
                "keypoints": persons.keypoints[which].reshape(-1),
            }
            for index, which in enumerate(order.tolist())
        ]
