"""Aligned crops of drawn faces, as the face embedder is trained and measured on.

Own detectors place landmarks imprecisely and photos hold faces of all sizes, so that every crop is
made afresh each time it is used: smaller, compressed, aligned by landmarks that are a little off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import Face, photo, portrait
from webbody.geometry import similarities, transformed

CROP = 112
# ArcFace's alignment template, px: image-left eye, image-right eye, nose, mouth corners.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
MIRRORED = [1, 0, 2, 4, 3]
_MARGIN = 12  # px around the crop, so that a shifted alignment finds pixels there
_WIDE = CROP + 2 * _MARGIN
_LARGEST_YAW = 1.0  # rad; landmarks of faces seen from farther aside cannot be aligned
_SMALLEST_SCALE = 0.2  # of a face that fills the crop: about 20 px


@dataclass
class FaceCrops:
    """N faces, aligned by their true landmarks.

    images: (N, 136, 136, 3) uint8 BGR, the crop with a margin of 12 px. landmarks: (N, 5, 2) px
    in it. sides: (N,) px, square root of the face box's area in it. persons: (N,) index of the
    person.
    """

    images: np.ndarray
    landmarks: np.ndarray
    sides: np.ndarray
    persons: np.ndarray


def face_picture(rng: np.random.Generator, identity: Identity) -> tuple[np.ndarray, Face]:
    """A picture of one recognisable face: a portrait, or a scene with a head of any size."""
    while True:
        if rng.random() < 0.5:
            taken = portrait(rng, identity)
        else:
            taken = photo(rng, [identity], (224, 224), heads=(0.14, 0.6), frontal=1.0)
        face = taken.figures[0].face
        if face is not None and face.visible >= 0.5 and abs(taken.figures[0].yaw) <= _LARGEST_YAW:
            return taken.image, face


def draw_faces(identities: Sequence[int], pictures: int, seed: int) -> FaceCrops:
    """`pictures` faces of each identity; with another `seed` other pictures of the same people."""
    count = len(identities) * pictures
    crops = FaceCrops(
        np.empty((count, _WIDE, _WIDE, 3), np.uint8),
        np.empty((count, 5, 2)),
        np.empty(count),
        np.repeat(np.arange(len(identities)), pictures),
    )
    for index in range(count):
        person, picture = divmod(index, pictures)
        rng = np.random.default_rng((seed, identities[person], picture))
        image, face = face_picture(rng, Identity.sample(identities[person]))
        (matrix,) = similarities(face.landmarks[None], TEMPLATE + _MARGIN)
        crops.images[index] = cv2.warpAffine(image, matrix, (_WIDE, _WIDE))
        (crops.landmarks[index],) = transformed(face.landmarks[None], matrix[None])
        width, height = face.box[2:] - face.box[:2]
        crops.sides[index] = np.sqrt(width * height) * np.hypot(*matrix[:, 0])
    return crops


def imperfect_crop(
    crops: FaceCrops,
    index: int,
    rng: np.random.Generator,
    *,
    jitter: tuple[float, float] = (0.0, 0.07),
    degraded: float = 0.6,
    mirrored: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """One crop as a pipeline would see it.

    Returns the crop (112, 112, 3) uint8 BGR and its landmarks (5, 2) as fractions of it. jitter:
    range of the landmarks' standard deviation, as a share of the face's side. degraded, mirrored:
    probability of fewer pixels and compression, and of a flip.
    """
    image, landmarks, scale = crops.images[index], crops.landmarks[index], 1.0
    if rng.random() < degraded:
        scale = float(np.exp(rng.uniform(np.log(_SMALLEST_SCALE), 0)))
        size = round(_WIDE * scale)
        scale = size / _WIDE
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        landmarks = (landmarks + 0.5) * scale - 0.5
        if rng.random() < 0.5:
            quality = int(rng.integers(50, 96))
            image = cv2.imdecode(
                cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1
            )
    deviation = rng.uniform(*jitter) * crops.sides[index] * scale
    crop, landmarks = align(image, landmarks + rng.normal(0, 1, (5, 2)) * deviation)
    if rng.random() < mirrored:
        crop, landmarks = crop[:, ::-1], landmarks[MIRRORED]
        landmarks = np.stack([(CROP - 1) / CROP - landmarks[:, 0], landmarks[:, 1]], 1)
    return crop, landmarks


def align(image: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The crop (112, 112, 3) that insightface's `norm_crop` makes, and its landmarks.

    The landmarks come as fractions of the crop.
    """
    (matrix,) = similarities(landmarks[None], TEMPLATE)
    (moved,) = transformed(landmarks[None], matrix[None])
    return cv2.warpAffine(image, matrix, (CROP, CROP)), moved / CROP
