"""Hair and hats: shells around the skull, cut along a hairline."""

from __future__ import annotations

import numpy as np

from webbody.demo.drawing.canvas import CIRCLE, BodyPart, Canvas, Surface, shade
from webbody.demo.drawing.skull import Skull, hull

_AZIMUTH = np.linspace(-np.pi, np.pi, 41)


class Hair:
    """One person's hair in one picture; `volume` varies a little from picture to picture."""

    def __init__(self, canvas: Canvas, skull: Skull, volume: float) -> None:
        self.canvas, self.skull, self.person = canvas, skull, skull.identity
        self.volume = volume * skull.identity.hair_volume
        self.wave = skull.identity.hair_wave
        if skull.identity.bald:
            # What is left lies close to the skull.
            self.volume, self.wave = min(self.volume, 0.06), 0.0
        self.colour = np.asarray(skull.identity.hair)
        self.fine = skull.radius >= 14

    def behind(self) -> None:
        """What is farther away than the head: a bun, and hair that hangs down the back."""
        if not self.skull.away:
            if not self.person.bald:
                # The far side from within: thick hair stands off the skull.
                inside = self.skull.cells_in_view(self._cap()[:, ::-1])
                self.canvas.fill_all(list(inside), shade(self.colour, 0.7), BodyPart.HAIR)
            self._hang(0.78)
            self._bun()

    def in_front(self) -> None:
        """The same for a head seen from behind, where it is nearer than the body."""
        if self.skull.away:
            self._hang(0.97)
            self._bun()

    def _hang(self, tone: float) -> None:
        person, skull = self.person, self.skull
        if person.hair_length == 0:
            return
        azimuth = np.linspace(0.5 * np.pi, 1.5 * np.pi, 14)
        top = skull.around(azimuth, np.full(14, -0.1), self.volume * 0.8)
        low = skull.around(azimuth, np.full(14, 0.1), self.volume)
        low[:, 1] = max(person.hair_length, person.hair_side)
        bottom = low * (0.85, 1.0, 0.85) + (0, 0.12, 0)
        outline = hull(skull.project(np.concatenate([top, low, bottom])))
        self.canvas.fill(outline, shade(self.colour, tone), BodyPart.HAIR)
        if self.fine:
            width = skull.radius * 0.02
            for start, end in zip(skull.project(top)[1:-1], skull.project(low)[1:-1], strict=True):
                self.canvas.stroke(np.stack([start, end]), shade(self.colour, tone * 0.84), width)

    def _bun(self) -> None:
        size = self.person.bun
        if size == 0:
            return
        middle = self.skull.project(np.array([0, -0.72, -0.72 * (1 + self.volume)]))
        ball = CIRCLE * size * self.skull.radius
        self.canvas.fill(middle + ball, shade(self.colour, 0.85), BodyPart.HAIR)
        self.canvas.fill(middle - 0.1 * ball[3] + ball * 0.7, shade(self.colour, 0.98))

    def _hairline(self) -> np.ndarray:
        """Height of the hair's lower edge at `_AZIMUTH`."""
        person = self.person
        aside = np.abs(_AZIMUTH)
        fringe = person.hairline + 0.1 * np.abs(_AZIMUTH - person.hair_part).clip(0, 1.6)
        temple = person.hairline + 0.12 + 0.6 * person.temples
        side, nape = person.hair_side, max(0.5, person.hair_side)
        around = np.interp(
            aside,
            [0.8, 1.2, 1.5, 1.75, 2.1, np.pi],
            [temple, 0.6 * side - 0.1, side, side - 0.02, 0.9 * nape, nape],
        )
        blend = np.clip((aside - 0.5) / 0.4, 0, 1)
        return np.asarray(fringe * (1 - blend) + around * blend)

    def _shell(self, low: np.ndarray, high: np.ndarray, swell: float) -> np.ndarray:
        """Grid (rows, 41, 3) on the swollen skull between two heights at every azimuth."""
        top, bottom = (np.arccos(np.clip(-edge, -0.999, 0.999)) for edge in (high, low))
        rows = np.linspace(0, 1, 6 if self.skull.radius < 50 else 12)[:, None]
        polar = top + (bottom - top) * rows
        wave = self.wave * np.sin(_AZIMUTH * 11 + polar * 9)
        bulge = swell * (1 - 0.35 * rows**2) + wave
        return self.skull.around(np.broadcast_to(_AZIMUTH, polar.shape), -np.cos(polar), bulge)

    def _cap(self) -> np.ndarray:
        return self._shell(self._hairline(), np.full_like(_AZIMUTH, -1.0), self.volume)

    def on_skull(self) -> None:
        """The hair that covers the skull."""
        person = self.person
        if person.bald:
            low = self._hairline()
            # A wreath: a band on either side that meets at the nape, nothing in front and on top.
            aside = np.abs(_AZIMUTH)
            high = np.minimum(np.interp(aside, [1.2, 1.6, np.pi], [-0.05, -0.45, -0.5]), low)
            grid = self._shell(low, high, self.volume)
            for half in (_AZIMUTH < -1.2, _AZIMUTH > 1.2):
                cells = self.skull.cells_in_view(grid[:, half])
                self.canvas.fill_all(list(cells), self.colour, BodyPart.HAIR)
            return
        grid = self._cap()
        self.canvas.fill_all(list(self.skull.cells_in_view(grid)), self.colour, BodyPart.HAIR)
        if self.fine:
            self._strands(grid)

    def _strands(self, grid: np.ndarray) -> None:
        """Lines from the crown to the hairline, on the side that shows."""
        flat = self.skull.project(grid)
        outwards = np.stack([np.sin(_AZIMUTH), 0 * _AZIMUTH, np.cos(_AZIMUTH)], 1)
        shows = outwards @ self.skull.rotation[2] > 0.1
        for column in range(1, 40, 2):
            if shows[column]:
                light = column % 4 == 1
                colour = shade(self.colour, 1.12 if light else 0.85) + (6 if light else 0)
                self.canvas.stroke(flat[1:, column], colour, self.skull.radius * 0.018)

    def hat(self, colour: np.ndarray) -> None:
        """A cap, its peak over the forehead."""
        low = np.full_like(_AZIMUTH, min(-0.42, self.person.hairline + 0.05))
        grid = self._shell(low, np.full_like(low, -1.0), 0.08 + 1.25 * max(self.volume, 0.06))
        cells = list(self.skull.cells_in_view(grid))
        self.canvas.fill_all(cells, colour, BodyPart.HAIR, Surface.APPAREL)
        front = np.abs(_AZIMUTH) < 1.3
        if not self.skull.away:
            rim = grid[-1][front]
            peak = rim * (1.05, 1.0, 1.35) + (0, 0.06, 0)
            outline = self.skull.project(np.concatenate([rim, peak[::-1]]))
            self.canvas.fill(outline, shade(colour, 0.75), BodyPart.HAIR, Surface.APPAREL)
