"""What stands behind the people: rooms, streets, parks, washes of colour, and clutter."""

from __future__ import annotations

import cv2
import numpy as np

from webbody.demo.drawing.canvas import Canvas, ellipse, mix, shade


def draw_background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A picture (H, W, 3) uint8 BGR without people."""
    kind = rng.random()
    draw = _room if kind < 0.35 else _outdoors if kind < 0.7 else _wash
    canvas = draw(rng, width, height)
    # Meaningless shapes too: a detector has to learn what is not a person.
    for _ in range(int(rng.integers(0, 10))):
        centre = rng.uniform((0, 0), (width, height))
        canvas.fill(blob(rng, centre, rng.uniform(0.02, 0.3, 2) * width), random_colour(rng))
    return canvas.image


def random_colour(rng: np.random.Generator, low: float = 25, high: float = 230) -> np.ndarray:
    """A colour (3,), often a muted one."""
    grey = rng.uniform(low, high)
    return np.asarray(grey + (rng.uniform(low, high, 3) - grey) * rng.uniform(0.1, 1))


def blob(rng: np.random.Generator, centre: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """Outline of a random ellipse, rectangle or splinter of about `extent` (2,) px."""
    kind = rng.random()
    if kind < 0.35:
        return ellipse(centre, extent[0] / 2, extent[1] / 2, rng.uniform(0, np.pi))
    if kind < 0.75:
        angle = float(rng.uniform(0, np.pi)) * (rng.random() < 0.3)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * extent / 2
        c, s = np.cos(angle), np.sin(angle)
        return np.asarray(centre + corners @ np.array([[c, s], [-s, c]]))
    return np.asarray(centre + rng.normal(0, 0.4, (int(rng.integers(3, 7)), 2)) * extent)


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _gradient(colours: np.ndarray, width: int, height: int) -> Canvas:
    """A canvas filled smoothly from a small grid (rows, columns, 3) of colours."""
    image = cv2.resize(colours.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return Canvas(np.clip(image, 0, 255).astype(np.uint8))


def _wash(rng: np.random.Generator, width: int, height: int) -> Canvas:
    colours = rng.uniform(40, 215, (int(rng.integers(2, 5)), int(rng.integers(2, 5)), 3))
    middle = colours.mean((0, 1))
    return _gradient(middle + (colours - middle) * rng.uniform(0.1, 0.8), width, height)


def _room(rng: np.random.Generator, width: int, height: int) -> Canvas:
    wall = random_colour(rng, 90, 235)
    canvas = _gradient(np.stack([[wall, wall * 0.97], [wall * 0.9, wall * 0.85]]), width, height)
    floor_y = height * rng.uniform(0.6, 0.9)
    floor = random_colour(rng, 50, 190)
    canvas.fill(_box(-5, floor_y, width + 5, height + 5), floor)
    for crack in np.arange(rng.uniform(0, 0.2), 1.3, rng.uniform(0.08, 0.25)):
        ends = np.array([[crack * width, floor_y], [(crack * 1.6 - 0.3) * width, height]])
        canvas.stroke(ends, shade(floor, 0.85), 0.004 * width)
    canvas.fill(_box(-5, floor_y - 0.02 * height, width + 5, floor_y), shade(wall, 1.12))
    for _ in range(int(rng.integers(0, 4))):  # pictures and windows
        x, y = rng.uniform(-0.1, 0.9) * width, rng.uniform(0, 0.35) * height
        across, down = rng.uniform(0.1, 0.3, 2) * width
        frame = 0.012 * width
        canvas.fill(_box(x, y, x + across, y + down), random_colour(rng))
        pane = random_colour(rng, 120, 240)
        canvas.fill(_box(x + frame, y + frame, x + across - frame, y + down - frame), pane)
        if rng.random() < 0.5:
            bar = np.array([[x + across / 2, y], [x + across / 2, y + down]])
            canvas.stroke(bar, shade(pane, 0.6), frame)
    if rng.random() < 0.4:  # a shelf of books
        x, y = rng.uniform(-0.1, 0.7) * width, rng.uniform(0.2, 0.6) * height
        board = random_colour(rng, 40, 140)
        for _ in range(int(rng.integers(4, 12))):
            thick, tall = rng.uniform(0.015, 0.035) * width, rng.uniform(0.06, 0.12) * height
            canvas.fill(_box(x, y - tall, x + thick, y), random_colour(rng))
            x += thick
        canvas.fill(_box(x - 0.3 * width, y, x + 0.03 * width, y + 0.015 * height), board)
    if rng.random() < 0.4:
        _plant(rng, canvas, rng.uniform(0, 1) * width, floor_y + 0.05 * height, 0.25 * height)
    return canvas


def _plant(rng: np.random.Generator, canvas: Canvas, x: float, y: float, size: float) -> None:
    """A pot with leaves."""
    green = np.array([70.0, 130, 70]) * rng.uniform(0.6, 1.2, 3)
    for _ in range(9):
        angle = rng.uniform(-1.2, 1.2) - np.pi / 2
        tip = np.array([x, y - size * 0.3]) + np.array([np.cos(angle), np.sin(angle)]) * size * 0.45
        canvas.fill(
            ellipse(tip, size * 0.3, size * 0.08, angle), shade(green, rng.uniform(0.7, 1.2))
        )
    low, high = 0.13 * size, 0.19 * size
    pot = np.array(
        [[x - high, y - 0.35 * size], [x + high, y - 0.35 * size], [x + low, y], [x - low, y]]
    )
    canvas.fill(pot, random_colour(rng))


def _outdoors(rng: np.random.Generator, width: int, height: int) -> Canvas:
    sky = mix((235, 190, 130), random_colour(rng, 120, 240), rng.uniform(0, 0.6))
    pale = mix(sky, (240, 240, 240), 0.6)
    canvas = _gradient(np.stack([[sky, sky], [pale, pale]]), width, height)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, 1) * width, rng.uniform(0.02, 0.3) * height
        for puff in (-0.06, 0.0, 0.07):
            canvas.fill(
                ellipse((x + puff * width, y), 0.07 * width, 0.03 * height),
                mix(pale, (250, 250, 250), 0.6),
            )
    ground_y = height * rng.uniform(0.5, 0.85)
    grass = mix((70, 140, 110), random_colour(rng, 60, 190), rng.uniform(0, 0.8))
    if rng.random() < 0.5:
        along = np.linspace(-0.05, 1.05, 24)
        ridge = ground_y - height * (
            0.1 + 0.06 * np.sin(along * rng.uniform(3, 9) + rng.uniform(0, 6))
        )
        hills = np.concatenate(
            [
                np.stack([along * width, ridge], 1),
                _box(-5, ground_y, width * 1.05, ground_y + 5)[2:],
            ]
        )
        canvas.fill(hills, mix(grass, pale, 0.4))
    else:
        left = -0.05
        while left < 1:
            across, tall = rng.uniform(0.08, 0.25), rng.uniform(0.15, 0.6)
            _building(rng, canvas, left * width, across * width, ground_y, tall * height)
            left += across + rng.uniform(0, 0.1)
    canvas.fill(_box(-5, ground_y, width + 5, height + 5), grass)
    for _ in range(int(rng.integers(0, 5))):
        x, base = rng.uniform(0, 1) * width, ground_y + rng.uniform(0, 0.1) * height
        size = rng.uniform(0.1, 0.35) * height
        canvas.fill(
            _box(x - 0.05 * size, base - 0.5 * size, x + 0.05 * size, base),
            np.array([50.0, 70, 95]),
        )
        leaves = np.array([60.0, 120, 70]) * rng.uniform(0.6, 1.3, 3)
        canvas.fill(ellipse((x, base - 0.8 * size), 0.35 * size, 0.42 * size), leaves)
        canvas.fill(
            ellipse((x - 0.08 * size, base - 0.88 * size), 0.2 * size, 0.25 * size),
            shade(leaves, 1.12),
        )
    return canvas


def _building(
    rng: np.random.Generator, canvas: Canvas, x: float, across: float, ground_y: float, tall: float
) -> None:
    wall = random_colour(rng, 70, 210)
    canvas.fill(_box(x, ground_y - tall, x + across, ground_y), wall)
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(2, 6))
    panes = [
        _box(0.2, 0.25, 0.8, 0.8) * (across / columns, tall / rows)
        + (x + column * across / columns, ground_y - tall + row * tall / rows)
        for column in range(columns)
        for row in range(rows)
    ]
    canvas.fill_all(panes, shade(wall, rng.uniform(0.5, 1.3)))
