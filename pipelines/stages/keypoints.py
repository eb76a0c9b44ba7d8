"""The keypoints stage: the 19 keypoints of each crop that was kept."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model.prefetch import prefetch
from pipelines.base.batches import batched_by_weight
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.detection.from_settings import keypoint_detector
from pipelines.detection.simcc import SOFTMAX
from pipelines.detection.to_sapiensid19 import to_sapiensid19
from webbody.config import WORKER, KeypointsSettings, WorkerResources
from webbody.images import ImageError, decode

SCHEMA = pa.schema(
    {
        "crop": pa.string(),
        "key": pa.string(),
        "person": pa.int64(),
        "outcome": pa.string(),
        "detail": pa.string(),
        "keypoints": pa.list_(pa.float32()),
        "scores": pa.list_(pa.float32()),
    }
)

#: Pixels of crops in memory at the same time (3 bytes each).
PIXELS = 100_000_000

_Crop = tuple[dict[str, Any], NDArray[np.uint8] | ImageError]


class Keypoints(Stage[KeypointsSettings]):
    """Runs a whole-body or a body keypoint model, of rtmlib or Sapiens, on crops with a person.

    A body model has no mouth corners; then nose, eyes and mouth come from the face's landmarks.
    """

    name = "keypoints"
    needs = ("persons", "faces", "identities")
    version = 2  # RGB pixels; confidences in 0..1

    def __init__(self, settings: KeypointsSettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self.detector = keypoint_detector(settings, resources)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        rows: list[dict[str, Any]] = []
        with ThreadPoolExecutor(self.resources.threads) as pool:
            crops = _crops(inputs, pool, 2 * self.resources.threads)
            for window in batched_by_weight(crops, self.resources.batch, _pixels, PIXELS):
                rows += self._rows(window)
        schema = SCHEMA.with_metadata({SOFTMAX: self.detector.confidence.encode()})
        outputs.table(pa.Table.from_pylist(rows, schema=schema))
        return {"in": len(rows), "out": sum(row["outcome"] is None for row in rows)}

    def _rows(self, window: list[_Crop]) -> list[dict[str, Any]]:
        min_score = self.settings.min_score
        good = [(crop, image) for crop, image in window if not isinstance(image, ImageError)]
        points, scores = self.detector(
            [image for _, image in good], [crop["box"] for crop, _ in good]
        )
        found = iter(zip(points, scores, strict=True))
        rows = []
        for crop, image in window:
            row = {
                "crop": crop["crop"],
                "key": crop["key"],
                "person": crop["person"],
                "outcome": None,
            }
            if isinstance(image, ImageError):
                row |= {"outcome": image.outcome, "detail": image.detail}
            else:
                height, width = image.shape[:2]
                keypoints, score = to_sapiensid19(
                    *next(found),
                    crop["landmarks"],
                    crop["score"],
                    width,
                    height,
                    min_score,
                )
                row |= {"keypoints": keypoints.reshape(-1), "scores": score}
            rows.append(row)
        return rows


def _pixels(crop: _Crop) -> int:
    return 0 if isinstance(crop[1], ImageError) else crop[1].size // 3


def _crops(inputs: Inputs, pool: ThreadPoolExecutor, depth: int) -> Iterator[_Crop]:
    """The kept crops in the order of the persons' table, decoded a few ahead."""
    kept = {
        row["crop"]: row["person"]
        for row in inputs.table("identities", columns=["crop", "person", "outcome"]).to_pylist()
        if row["outcome"] is None
    }
    faces = {
        row["crop"]: row
        for row in inputs.table("faces", columns=["crop", "landmarks", "score"]).to_pylist()
        if row["crop"] in kept
    }
    names = ["crop", "key", "box", "area", "width", "height", "offset", "length"]
    table = inputs.table("persons", columns=names).to_pylist()
    if not kept:
        return
    with inputs.random_access("persons") as tar:
        sources = (
            (_described(row, kept, faces), tar.read(row["offset"], row["length"]))
            for row in table
            if row["crop"] in kept
        )
        yield from prefetch(pool, _decoded, sources, depth)


def _described(row: dict[str, Any], kept: dict[str, int], faces: dict[str, Any]) -> dict[str, Any]:
    """The row of a crop, with the person's box in pixels of the crop."""
    left, top = row["area"][:2]
    x1, y1, x2, y2 = row["box"]
    face = faces.get(row["crop"], {"landmarks": None, "score": None})
    return {
        "crop": row["crop"],
        "key": row["key"],
        "person": kept[row["crop"]],
        "box": (x1 - left, y1 - top, x2 - left, y2 - top),
        "pixels": row["width"] * row["height"],
        "landmarks": face["landmarks"],
        "score": face["score"],
    }


def _decoded(source: tuple[dict[str, Any], bytes]) -> _Crop:
    crop, data = source
    try:
        return crop, decode(data, crop["pixels"])
    except ImageError as error:
        return crop, error
