"""Training canvases of the face detector: photos, one person's upper body, tiles of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from webbody.demo.train_models.dataset import is_person, photo_rng, training_photo, upper_body

CANVAS = 320  # px, square
_LEAST_FACE = 9.0  # px on the canvas; what is smaller is neither searched nor punished
_LEAST_VISIBLE = 0.5
_FILL = (0, 0, 114, 128, 255)  # grey values that letterboxing and tiling leave around pictures
_MIRRORED_LANDMARKS = np.array([1, 0, 2, 4, 3])


@dataclass
class View:
    """A picture and its faces: boxes (F, 4) xyxy, landmarks (F, 5, 2) px, visible shares (F,)."""

    image: np.ndarray
    boxes: np.ndarray
    landmarks: np.ndarray
    visible: np.ndarray

    def searched(self) -> np.ndarray:
        """(F,) bool: the faces a detector should find; the others it may find or not."""
        largest = (self.boxes[:, 2:] - self.boxes[:, :2]).max(1, initial=0)
        usable: np.ndarray = (largest >= _LEAST_FACE) & (self.visible >= _LEAST_VISIBLE)
        return usable


def draw(index: int) -> tuple[View, list[View]]:
    """Training photo number `index`, reduced to the canvas, and its people's upper bodies."""
    rng = photo_rng("faces", "train", index)
    photo = training_photo(rng)
    faces = [figure.face for figure in photo.figures if figure.face is not None]
    whole = View(
        photo.image,
        np.array([face.box for face in faces], np.float32).reshape(-1, 4),
        np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2),
        np.array([face.visible for face in faces], np.float32),
    )
    height, width = photo.image.shape[:2]
    boxes = [
        upper_body(rng, figure, (width, height)) for figure in photo.figures if is_person(figure)
    ]
    bodies = [crop(whole, box) for box in boxes if (box[2:] - box[:2]).min() >= 24]
    # No larger than a canvas: that is all that is ever used of them, and they stay in memory.
    return place([whole], rng), [fit(body, CANVAS, enlarge=False) for body in bodies]


def crop(view: View, box: np.ndarray) -> View:
    """The part of a view inside `box` (4,) int xyxy px; faces cut by it become less visible."""
    x1, y1, x2, y2 = box
    inside = np.clip(view.boxes, [x1, y1, x1, y1], [x2, y2, x2, y2])
    areas = np.prod(view.boxes[:, 2:] - view.boxes[:, :2], 1)
    shares = np.prod(inside[:, 2:] - inside[:, :2], 1) / np.maximum(areas, 1e-6)
    keep = shares > 0
    corner = np.array([x1, y1], np.float32)
    return View(
        np.ascontiguousarray(view.image[y1:y2, x1:x2]),
        view.boxes[keep] - np.tile(corner, 2),
        view.landmarks[keep] - corner,
        (view.visible * shares)[keep],
    )


def fit(view: View, size: int, enlarge: bool = True) -> View:
    """The view scaled so that its longer side is `size` px."""
    scale = size / max(view.image.shape[:2])
    if scale >= 1 and not enlarge:
        return view
    # Linear, as insightface resizes.
    image = cv2.resize(view.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    return View(image, view.boxes * scale, view.landmarks * scale, view.visible)


def place(views: list[View], rng: np.random.Generator) -> View:
    """One view over the whole canvas, or up to four as tiles of half its side."""
    canvas = np.full((CANVAS, CANVAS, 3), rng.choice(_FILL), np.uint8)
    side = CANVAS if len(views) == 1 else CANVAS // 2
    placed = []
    for number, view in enumerate(views):
        tile = fit(view, side)
        height, width = tile.image.shape[:2]
        y, x = side * (number // 2), side * (number % 2)
        canvas[y : y + height, x : x + width] = tile.image[:side, :side]
        corner = np.array([x, y], np.float32)
        placed.append((tile.boxes + np.tile(corner, 2), tile.landmarks + corner, tile.visible))
    boxes, landmarks, visible = (np.concatenate(parts) for parts in zip(*placed, strict=True))
    return View(canvas, boxes, landmarks, visible)


def compose(rng: np.random.Generator, photos: list[View], bodies: list[View]) -> View:
    """A random training canvas: two fifths whole photos, the rest upper bodies; then augmented."""
    kind = rng.random()
    if kind < 0.4 or not bodies:
        view = photos[rng.integers(len(photos))]
    else:
        count = 1 if kind < 0.65 else 4
        view = place([bodies[rng.integers(len(bodies))] for _ in range(count)], rng)
    return mirror(view) if rng.random() < 0.5 else move(view, rng)


def mirror(view: View) -> View:
    """The mirror image; eyes and mouth corners stay ordered from the image's left to its right."""
    width = view.image.shape[1]
    boxes, landmarks = view.boxes.copy(), view.landmarks[:, _MIRRORED_LANDMARKS].copy()
    boxes[:, [0, 2]] = width - 1 - view.boxes[:, [2, 0]]
    landmarks[..., 0] = width - 1 - landmarks[..., 0]
    return View(np.ascontiguousarray(view.image[:, ::-1]), boxes, landmarks, view.visible)


def move(view: View, rng: np.random.Generator) -> View:
    """The view enlarged or reduced by up to a quarter and shifted, on a canvas of the same size."""
    size = np.array(view.image.shape[1::-1])
    scale = np.exp(rng.uniform(-0.25, 0.25))
    shift = rng.uniform(0, 1, 2) * (1 - scale) * size
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    border = [float(rng.choice(_FILL))] * 3
    image = cv2.warpAffine(view.image, matrix, size.tolist(), borderValue=border)
    moved = View(
        image,
        (view.boxes * scale + np.tile(shift, 2)).astype(np.float32),
        (view.landmarks * scale + shift).astype(np.float32),
        view.visible,
    )
    return crop(moved, np.array([0, 0, *size]))


def pool(count: int, log: Callable[[str], None]) -> tuple[list[View], list[View]]:
    """`count` photos and the upper bodies of all their people."""
    photos, bodies = [], []
    for index in range(count):
        photo, people = draw(index)
        photos.append(photo)
        bodies.extend(people)
    log(f"{count} photos drawn, {len(bodies)} upper bodies")
    return photos, bodies
