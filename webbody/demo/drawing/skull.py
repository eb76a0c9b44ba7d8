"""The head's surface in three dimensions, and its projection onto the image."""

from __future__ import annotations

import cv2
import numpy as np

from webbody.demo.drawing.identity import Identity

_HEIGHTS = np.linspace(-1.0, 1.2, 111)


class Skull:
    """A turned head.

    Its own frame is in half head heights: origin in the head's middle, x towards the subject's
    left, y down, z out of the face. `radius` is half the head's height in px.
    """

    def __init__(
        self,
        identity: Identity,
        centre: np.ndarray,
        head_px: float,
        yaw: float,
        pitch: float,
        roll: float,
    ) -> None:
        """`yaw` > 0 turns the face to the image's right, `pitch` > 0 down, `roll` > 0 clockwise."""
        self.identity, self.centre, self.radius, self.yaw = identity, centre, head_px / 2, yaw
        cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        self.rotation = tilt @ nod @ turn
        self._width, self._front, self._back = self._profile_table()

    @property
    def away(self) -> bool:
        """The face cannot be seen."""
        return bool(np.cos(self.yaw) < 0)

    def _profile_table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Half width, depth of the front and depth of the back at `_HEIGHTS`."""
        person = self.identity
        up = np.clip(-_HEIGHTS, 0, 1)
        down = np.clip(_HEIGHTS / person.chin, 0, 1)

        def arc(share: np.ndarray, power: float) -> np.ndarray:
            return np.maximum(1 - share**power, 1e-4) ** (1 / power)

        above = _HEIGHTS < 0
        crown = arc(up, person.forehead_power)
        width = person.head_width * np.where(above, crown, arc(down, person.jaw_power))
        width *= 1 + person.cheek * np.exp(-(((_HEIGHTS - 0.2) / 0.25) ** 2))
        front = person.head_depth * np.where(above, crown, arc(down, 4.0))
        back = person.head_depth * np.where(above, crown, np.maximum(1 - down, 1e-4) ** 0.6)
        return width, front, back

    def project(self, points: np.ndarray) -> np.ndarray:
        """Image positions (..., 2) px of points (..., 3) of the head's frame."""
        flat: np.ndarray = self.centre + self.radius * (points @ self.rotation[:2].T)
        return flat

    def around(
        self, azimuth: np.ndarray, y: np.ndarray, swell: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Points (..., 3) at an azimuth and a height, swollen outwards by a share.

        Azimuth 0 is the front, pi / 2 the subject's left.
        """
        width = np.interp(y, _HEIGHTS, self._width)
        front, back = np.interp(y, _HEIGHTS, self._front), np.interp(y, _HEIGHTS, self._back)
        forward = np.cos(azimuth)
        depth = np.where(forward > 0, front, back)
        grown = 1 + np.asarray(swell)
        x, z = width * np.sin(azimuth) * grown, depth * forward * grown
        return np.stack(np.broadcast_arrays(x, np.where(y < 0, y * grown, y), z), -1)

    def on_face(self, x: np.ndarray, y: np.ndarray, bump: np.ndarray | float = 0.0) -> np.ndarray:
        """Points (N, 3) of the face's surface above (x, y), raised by `bump`."""
        width, front = np.interp(y, _HEIGHTS, self._width), np.interp(y, _HEIGHTS, self._front)
        z = front * np.sqrt(np.maximum(1 - (x / width) ** 2, 0.01)) + bump
        points = np.empty((*z.shape, 3))
        points[..., 0], points[..., 1], points[..., 2] = x, y, z
        return points

    def faces_viewer(self, x: float, y: float) -> float:
        """Cosine of the angle between the face's normal at (x, y) and the line of sight."""
        width = float(np.interp(y, _HEIGHTS, self._width))
        front = float(np.interp(y, _HEIGHTS, self._front))
        z = front * max(1 - (x / width) ** 2, 0.01) ** 0.5
        nx, ny, nz = x / width**2, 0.35 * y, z / front**2
        along = self.rotation[2]
        length = (nx * nx + ny * ny + nz * nz) ** 0.5
        cosine: float = float(along[0] * nx + along[1] * ny + along[2] * nz) / length
        return cosine

    def cells_in_view(self, grid: np.ndarray) -> np.ndarray:
        """Image quadrilaterals (N, 4, 2) of those cells of a grid (rows, columns, 3) that show.

        Columns run towards the subject's left and rows down, seen from outside.
        """
        flat = self.project(grid)
        corners = (flat[:-1, :-1], flat[:-1, 1:], flat[1:, 1:], flat[1:, :-1])
        cells = np.stack(corners, 2).reshape(-1, 4, 2)
        first, second = cells[:, 2] - cells[:, 0], cells[:, 3] - cells[:, 1]
        return np.asarray(cells[first[:, 0] * second[:, 1] > first[:, 1] * second[:, 0]])


def hull(points: np.ndarray) -> np.ndarray:
    """Convex outline (M, 2) of points (N, 2)."""
    return cv2.convexHull(points.astype(np.float32))[:, 0]
