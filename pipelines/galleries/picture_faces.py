"""Features of the most prominent face in pictures (galleries, calibration)."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipelines.base.batches import batched_by_weight
from pipelines.detection.embedding import align, alignments, transformed_landmarks
from pipelines.detection.face_choice import choose
from pipelines.detection.from_settings import face_detector, face_embedder, trusted_face
from pipelines.identity.features import Floats
from webbody.config import WORKER, FacesSettings, WorkerResources
from webbody.images import RGB

Label = TypeVar("Label")

#: Pictures in memory at the same time.
WINDOW = 16


class PictureFaces:
    """Detector and embedder of the faces stage, applied to whole pictures.

    `digest` is the sha256 of the embedder's file, `min_score` the threshold that holds.
    """

    def __init__(self, settings: FacesSettings, resources: WorkerResources = WORKER) -> None:
        self.min_score = trusted_face(settings)
        self._detector = face_detector(settings, resources, self.min_score)
        self._embedder = face_embedder(settings, resources)
        self._min_size = settings.min_size
        self.digest = self._embedder.digest

    def __call__(
        self, pictures: Iterable[tuple[Label, RGB]]
    ) -> Iterator[tuple[Label, Floats | None]]:
        """The raw feature (D,) of each labelled picture (H, W, 3), None without a face.

        Of several trusted faces the large and central one is used.
        """
        for window in batched_by_weight(pictures, WINDOW, lambda _: 0, 0):
            features = self._features([picture for _, picture in window])
            yield from zip((label for label, _ in window), features, strict=True)

    def _features(self, pictures: list[RGB]) -> list[Floats | None]:
        landmarks: list[NDArray[np.float32]] = []
        of: list[int] = []
        found = self._detector(pictures, [True] * len(pictures))
        for index, (picture, faces) in enumerate(zip(pictures, found, strict=True)):
            chosen = choose(faces, None, picture.shape[1], picture.shape[0])
            if chosen is None:
                continue
            x1, y1, x2, y2 = faces.boxes[chosen]
            if max(x2 - x1, y2 - y1) < self._min_size:
                continue
            of.append(index)
            landmarks.append(faces.landmarks[chosen])
        marks = np.array(landmarks, np.float32).reshape(-1, 5, 2)
        transforms = alignments(marks)
        aligned = [align(pictures[i], move) for i, move in zip(of, transforms, strict=True)]
        out: list[Floats | None] = [None] * len(pictures)
        for index, feature in zip(
            of, self._embedder(aligned, transformed_landmarks(marks, transforms)), strict=True
        ):
            out[index] = feature
        return out
