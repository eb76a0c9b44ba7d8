"""Photos of drawn people, with exact ground truth.

Every picture is a function of the random generator it is given: the same seed gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from webbody.demo.drawing.background import blob, draw_background, random_colour
from webbody.demo.drawing.body import SEEN_ON, Body, Drawn
from webbody.demo.drawing.camera import develop
from webbody.demo.drawing.canvas import PARTS_PER_FIGURE, Canvas
from webbody.demo.drawing.clothes import Clothes
from webbody.demo.drawing.identity import Identity
from webbody.skeleton import FACE5

VISIBLE, HIDDEN, OUTSIDE = 2, 1, 0


@dataclass
class Face:
    """A face turned to the viewer.

    box: (4,) xyxy px, hairline to chin, not clipped to the image.
    landmarks: (5, 2) px: image-left eye, image-right eye, nose, image-left mouth corner,
    image-right mouth corner.
    visible: share (0..1) of the box's pixels that belong to the person and can be seen.
    """

    box: np.ndarray
    landmarks: np.ndarray
    visible: float


@dataclass
class DrawnPerson:
    """One person in a photo.

    identity: the identity's seed.
    box: (4,) xyxy px, all that was drawn of the figure, hidden or not, clipped to the image.
    visible_box: (4,) xyxy px of its visible pixels, None when there are none.
    visible: visible pixels / area of box.
    keypoints: (19, 3) x, y, flag: 2 visible, 1 inside the image but hidden, 0 outside; the order is
    nose, then left and right eye, mouth corner, ear, shoulder, elbow, wrist, hip, knee, ankle.
    face: None when the head is turned away.
    head: height of the head, px.
    yaw: of the head, radians; 0 towards the viewer, > 0 to the image's right.
    """

    identity: int
    box: np.ndarray
    visible_box: np.ndarray | None
    visible: float
    keypoints: np.ndarray
    face: Face | None
    head: float
    yaw: float


@dataclass
class Photo:
    """image: (H, W, 3) uint8 BGR; figures in the order drawn, back to front; labels: (H, W) uint16.

    A label is 0 or `PARTS_PER_FIGURE * (1 + index of the figure) + part`. surfaces: (H, W) uint8,
    the `Surface` that shows, 0 where nobody does.
    """

    image: np.ndarray
    figures: list[DrawnPerson]
    labels: np.ndarray
    surfaces: np.ndarray


@dataclass
class _Placed:
    """Somebody about to be drawn."""

    identity: Identity
    head: float
    centre: tuple[float, float]
    facing: bool
    clothes: Clothes | None = None
    calm: bool = False
    swing: float | None = None


def photo(
    rng: np.random.Generator,
    identities: Sequence[Identity],
    size: tuple[int, int] = (640, 640),
    *,
    heads: tuple[float, float] = (0.05, 0.5),
    occluders: float = 0.3,
    frontal: float | None = None,
    clothes: Sequence[Clothes] | None = None,
) -> Photo:
    """A photo of size (width, height) px with one figure for each identity.

    heads: range of head heights as shares of the smaller side. occluders: probability that
    something covers part of a figure. frontal: probability that a figure shows its face (0.85).
    clothes: what each identity wears; random by default.
    """
    width, height = size
    background = draw_background(rng, width, height)
    shows_face = 0.85 if frontal is None else frontal
    low, high = np.log(heads[0]), np.log(heads[1])
    shares = np.exp(rng.uniform(low, high, len(identities)))
    slots = rng.permutation(len(identities))
    people = []
    for index in np.argsort(shares):  # the smallest are the farthest
        head = float(shares[index] * min(width, height))
        x = (slots[index] + 0.5 + rng.uniform(-0.35, 0.35)) / len(identities) * width
        facing = bool(rng.random() < shows_face)
        y = _head_height(rng, identities[index], head, height)
        people.append(
            _Placed(
                identities[index], head, (x, y), facing, None if clothes is None else clothes[index]
            )
        )
    return _render(rng, background, people, occluders)


def portrait(rng: np.random.Generator, identity: Identity, size: int = 160) -> Photo:
    """A square head-and-shoulders picture of somebody facing the viewer."""
    head = rng.uniform(0.42, 0.6) * size
    centre = (size * rng.uniform(0.43, 0.57), size * rng.uniform(0.42, 0.5))
    person = _Placed(identity, float(head), centre, True, calm=True)
    return _render(rng, draw_background(rng, size, size), [person], 0.1)


def walk(
    rng: np.random.Generator, identity: Identity, frames: int, size: tuple[int, int] = (384, 768)
) -> list[Photo]:
    """Somebody walking through a picture of size (width, height) px, frame by frame.

    Clothes, background and pose stay, but for the swing of arms and legs; light, noise, blur and
    what stands in front change from frame to frame.
    """
    width, height = size
    background, clothes = draw_background(rng, width, height), Clothes.sample(rng)
    head = float(rng.uniform(0.18, 0.23)) * min(size)
    y = _head_height(rng, identity, head, height)
    seed = int(rng.integers(1 << 31))
    start, way, reach = (float(value) for value in rng.uniform((0, -1, 0.3), (6.28, 1, 0.5)))
    taken = []
    for frame in range(frames):
        x = width * (0.5 + 0.12 * way * (2 * frame / max(1, frames - 1) - 1))
        swing = reach * float(np.sin(start + 0.8 * frame))
        person = _Placed(identity, head, (x, y), True, clothes, calm=True, swing=swing)
        own = np.random.default_rng((seed, frame))
        taken.append(_render(np.random.default_rng(seed), background.copy(), [person], 0.1, own))
    return taken


def crowd(
    rng: np.random.Generator,
    world: str = "default",
    size: tuple[int, int] = (640, 640),
    identities: Sequence[Identity] | None = None,
) -> Photo:
    """A random scene of a world, its people drawn from `identities` or strangers.

    "default": 1 to 3 people, each filling at least a quarter of its box, faces of at least 20 px.
    "stress": 0 to 6 people of any size, much hidden.
    """
    if world not in ("default", "stress"):
        raise ValueError(f"unknown world {world!r}: choose 'default' or 'stress'")

    def draw_people(count: int) -> list[Identity]:
        if identities is None:
            return [Identity.sample(int(seed)) for seed in rng.integers(1 << 31, size=count)]
        chosen = rng.choice(len(identities), min(count, len(identities)), replace=False)
        return [identities[i] for i in chosen]

    if world == "stress":
        people = draw_people(int(rng.integers(0, 7)))
        return photo(rng, people, size, heads=(0.03, 0.85), occluders=0.7)
    smallest = max(0.06, 32 / min(size))
    for attempt in range(40):
        # Fewer people when it does not fit.
        people = draw_people(int(rng.integers(1, 4)) if attempt < 20 else 1)
        middle = float(np.exp(rng.uniform(np.log(smallest), np.log(0.5))))
        heads = (max(smallest, middle / 1.8), max(min(0.5, middle * 1.8), smallest * 1.01))
        taken = photo(rng, people, size, heads=heads, occluders=0.2)
        if all(_easy(figure) for figure in taken.figures):
            return taken
    raise ValueError(f"no easy scene fits into {size[0]} x {size[1]} px")


def _easy(figure: DrawnPerson) -> bool:
    if figure.visible < 0.25:
        return False
    if figure.face is None:
        return True
    x1, y1, x2, y2 = figure.face.box
    return bool(max(x2 - x1, y2 - y1) >= 20)


def _head_height(rng: np.random.Generator, identity: Identity, head: float, height: int) -> float:
    """Where the middle of a head goes, so that people stand in the picture if they fit."""
    top, lowest = 0.62 * head, height - (identity.tall - 0.4) * head
    if lowest > top and rng.random() < 0.85:
        # Mostly on the ground, that is in the lower part of the picture.
        highest = max(top, lowest - 0.35 * height) if rng.random() < 0.75 else top
        return float(rng.uniform(highest, lowest))
    return float(rng.uniform(top, max(top * 1.05, min(0.55 * height, height - 1.2 * head))))


def _render(
    rng: np.random.Generator,
    background: np.ndarray,
    people: Sequence[_Placed],
    occluders: float,
    moment: np.random.Generator | None = None,
) -> Photo:
    """moment: of what stands in front and of the camera, where these are not of `rng`."""
    moment = rng if moment is None else moment
    canvas = Canvas(background)
    drawn = []
    for person in people:
        clothes = person.clothes or Clothes.sample(rng)
        centre = np.array(person.centre)
        body = Body(
            canvas, rng, person.identity, clothes, centre, person.head, person.facing, person.calm,
            person.swing,
        )  # fmt: skip
        drawn.append(body.draw())
        if moment.random() < occluders:
            _occlude(moment, canvas, drawn[-1])
    figures = [
        _figure(canvas, index, person, truth)
        for index, (person, truth) in enumerate(zip(people, drawn, strict=True))
    ]
    return Photo(develop(moment, canvas.image), figures, canvas.labels, canvas.surfaces)


def _figure(canvas: Canvas, index: int, person: _Placed, truth: Drawn) -> DrawnPerson:
    height, width = canvas.labels.shape
    mine = canvas.labels // PARTS_PER_FIGURE == index + 1
    pixels = int(np.count_nonzero(mine))
    visible_box = None
    if pixels:
        x, y, across, down = cv2.boundingRect(mine.view(np.uint8))
        visible_box = np.array([x, y, x + across, y + down], float)
    area = float(np.prod(truth.box[2:] - truth.box[:2]))
    flags = np.full(19, OUTSIDE)
    at = np.round(truth.keypoints).astype(int)
    for point, (x, y) in enumerate(at):
        if 0 <= x < width and 0 <= y < height:
            figure, part = divmod(int(canvas.labels[y, x]), PARTS_PER_FIGURE)
            seen = figure == index + 1 and part in SEEN_ON[point] and truth.turned_to_viewer[point]
            flags[point] = VISIBLE if seen else HIDDEN
    face = None
    if np.cos(truth.yaw) > 0:
        face_box = truth.head.face_box
        x1, y1, x2, y2 = np.clip(np.round(face_box), 0, (width, height) * 2).astype(int)
        seen_pixels = np.count_nonzero(mine[y1:y2, x1:x2])
        full = float(np.prod(np.maximum(face_box[2:] - face_box[:2], 1)))
        landmarks = truth.keypoints[FACE5]
        face = Face(face_box.astype(float), landmarks, min(1.0, seen_pixels / full))
    return DrawnPerson(
        identity=person.identity.seed,
        box=truth.box,
        visible_box=visible_box,
        visible=pixels / area if area else 0.0,
        keypoints=np.concatenate([truth.keypoints, flags[:, None]], 1),
        face=face,
        head=person.head,
        yaw=truth.yaw,
    )


def _occlude(rng: np.random.Generator, canvas: Canvas, truth: Drawn) -> None:
    """Put something in front of a part of a figure."""
    x1, y1, x2, y2 = truth.box
    centre = rng.uniform((x1, y1), (x2, y2))
    extent = rng.uniform(0.15, 0.6, 2) * (x2 - x1)
    canvas.occlude(blob(rng, centre, extent), random_colour(rng))
