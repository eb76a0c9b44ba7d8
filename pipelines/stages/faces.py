"""The faces stage: the face of each person crop, aligned and embedded."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model.prefetch import prefetch
from pipelines.base.batches import batched_by_weight
from pipelines.base.crops import decode_crop
from pipelines.base.custom_filter import CustomFilters
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.detection.embedding import align, alignments, transformed_landmarks
from pipelines.detection.face_choice import choose
from pipelines.detection.face_deduplication import deduplicate
from pipelines.detection.from_settings import face_detector, face_embedder, trusted_face
from pipelines.detection.upper_body import upper_body
from pipelines.identity.features import EMBEDDER, to_column
from webbody.config import WORKER, FacesSettings, WorkerResources
from webbody.images import ImageError

COLUMNS = {
    "crop": pa.string(),
    "key": pa.string(),
    "outcome": pa.string(),
    "detail": pa.string(),
    "box": pa.list_(pa.float32()),
    "landmarks": pa.list_(pa.float32()),
    "score": pa.float32(),
}

#: Crops whose heads are detected together. Fixed, so that the tiles of a canvas, and with them the
#: last digits of the results, do not depend on a resource setting.
WINDOW = 64
#: Pixels of heads in memory at the same time (3 bytes each).
PIXELS = 100_000_000


@dataclass
class _Head:
    """A crop's upper body: its pixels, where it lies in the crop, the keypoints in its pixels."""

    row: dict[str, Any]
    image: NDArray[np.uint8] | ImageError
    origin: tuple[int, int] = (0, 0)
    located: bool = False
    keypoints: NDArray[np.float32] | None = None

    @property
    def pixels(self) -> int:
        return 0 if isinstance(self.image, ImageError) else self.image.size // 3


class Faces(Stage[FacesSettings]):
    """Detects the face in the upper body of each crop, aligns it and computes its feature."""

    name = "faces"
    needs = ("persons",)
    version = 2  # a face in two crops is assigned to one of them

    def __init__(self, settings: FacesSettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self.min_score = trusted_face(settings)
        self.detector = face_detector(settings, resources)
        self.embedder = face_embedder(settings, resources)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        rows: list[dict[str, Any]] = []
        features: list[NDArray[np.float32]] = []
        crops = _crops(inputs)
        with ThreadPoolExecutor(self.resources.threads) as pool:
            heads = _heads(inputs, crops, self.filters, pool, 2 * self.resources.threads)
            for window in batched_by_weight(heads, WINDOW, lambda head: head.pixels, PIXELS):
                aligned, landmarks = self._aligned(window)
                features.append(self.embedder(aligned, landmarks))
                rows += [head.row for head in window]
                for head in window:
                    outputs.tally.add(head.row["key"], head.row["outcome"])
        embedded = np.array([row["outcome"] is None for row in rows], bool)
        deduplicate(rows, {crop["crop"]: crop for crop in crops})
        outputs.table(self._table(rows, embedded, features))
        return {"in": len(rows), "out": sum(row["outcome"] is None for row in rows)}

    def _aligned(self, window: list[_Head]) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
        """Fill in the rows; the aligned faces of the accepted ones and their landmarks."""
        good = [head for head in window if not isinstance(head.image, ImageError)]
        pictures = [head.image for head in good if not isinstance(head.image, ImageError)]
        found = self.detector(pictures, [not head.located for head in good])
        accepted: list[int] = []
        landmarks: list[NDArray[np.float32]] = []
        for index, (head, faces) in enumerate(zip(good, found, strict=True)):
            chosen = choose(
                faces, head.keypoints, pictures[index].shape[1], pictures[index].shape[0]
            )
            if chosen is None:
                head.row["outcome"] = "face:none"
                continue
            origin = np.array(head.origin, np.float32)
            head.row["box"] = (faces.boxes[chosen].reshape(2, 2) + origin).reshape(-1)
            head.row["landmarks"] = (faces.landmarks[chosen] + origin).reshape(-1)
            head.row["score"] = faces.scores[chosen]
            head.row["outcome"] = self._outcome(faces.boxes[chosen], faces.scores[chosen])
            if head.row["outcome"] is None:
                accepted.append(index)
                landmarks.append(faces.landmarks[chosen])
        marks = np.array(landmarks, np.float32).reshape(-1, 5, 2)
        transforms = alignments(marks)
        aligned = [
            align(pictures[index], transform)
            for index, transform in zip(accepted, transforms, strict=True)
        ]
        return aligned, transformed_landmarks(marks, transforms)

    def _outcome(self, box: NDArray[np.float32], score: float) -> str | None:
        if score < self.min_score:
            return "face:low-score"
        if max(box[2] - box[0], box[3] - box[1]) < self.settings.min_size:
            return "face:too-small"
        return None

    def _table(
        self,
        rows: list[dict[str, Any]],
        embedded: NDArray[np.bool_],
        parts: list[NDArray[np.float32]],
    ) -> pa.Table:
        """The accepted rows with raw features in half precision, and their norms."""
        width = self.embedder.width
        features = np.concatenate(parts) if parts else np.zeros((0, width), np.float32)
        kept = np.array([row["outcome"] is None for row in rows], bool)
        halves = np.zeros((len(rows), width), np.float16)
        halves[embedded] = features
        norms = np.zeros(len(rows), np.float32)
        norms[embedded] = np.linalg.norm(features, axis=1)
        table = pa.Table.from_pylist(rows, schema=pa.schema(COLUMNS))
        table = table.append_column("feature", to_column(halves, ~kept))
        table = table.append_column("norm", pa.array(norms, mask=~kept))
        return table.replace_schema_metadata({EMBEDDER: self.embedder.digest})


def _crops(inputs: Inputs) -> list[dict[str, Any]]:
    """The accepted rows of the persons stage."""
    return [row for row in inputs.table("persons").to_pylist() if row["outcome"] is None]


def _heads(
    inputs: Inputs,
    crops: list[dict[str, Any]],
    filters: CustomFilters,
    pool: ThreadPoolExecutor,
    depth: int,
) -> Iterator[_Head]:
    """The upper body of each crop, in the order of the table; crops are decoded a few ahead."""
    if not crops:
        return
    with inputs.random_access("persons") as tar:
        sources = ((row, tar.read(row["offset"], row["length"])) for row in crops)
        for crop, image in prefetch(pool, _decoded, sources, depth):
            if not isinstance(image, ImageError):
                image = filters(image, crop) or image
            yield _head(crop, image)


def _decoded(
    source: tuple[dict[str, Any], bytes],
) -> tuple[dict[str, Any], NDArray[np.uint8] | ImageError]:
    crop, data = source
    try:
        return crop, decode_crop(crop, data)
    except ImageError as error:
        return crop, error


def _head(crop: dict[str, Any], image: NDArray[np.uint8] | ImageError) -> _Head:
    row: dict[str, Any] = {"crop": crop["crop"], "key": crop["key"], "outcome": None}
    if isinstance(image, ImageError):
        row |= {"outcome": image.outcome, "detail": image.detail}
        return _Head(row, image)
    points = np.array(crop["keypoints"], np.float32).reshape(17, 3)
    points[:, :2] -= np.array(crop["area"][:2], np.float32)
    (left, top, right, bottom), located = upper_body(points, crop["width"], crop["height"])
    points[:, :2] -= np.array([left, top], np.float32)
    # A copy, so that the rest of the crop can be forgotten.
    cut = np.ascontiguousarray(image[top:bottom, left:right])
    return _Head(row, cut, (left, top), located, points)
