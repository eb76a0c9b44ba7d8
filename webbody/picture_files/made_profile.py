"""ICC profiles made of primaries and a curve, for files that name these instead of a profile.

ICC.1:2022 (version 4): a matrix of colorants, adapted to the D50 of the connection space, and one
curve for all channels.
"""

import functools
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]

_D50 = np.array([0.9642, 1.0, 0.8249])
#: Bradford's cone response (ICC.1:2022, annex E).
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


@dataclass(frozen=True)
class Chromaticities:
    """CIE x, y of red, green, blue and white; by default those of sRGB (IEC 61966-2-1)."""

    red: Point = (0.64, 0.33)
    green: Point = (0.30, 0.60)
    blue: Point = (0.15, 0.06)
    white: Point = (0.3127, 0.3290)

    def near(self, other: "Chromaticities") -> bool:
        """Whether all are equal but for rounding."""
        return bool(np.abs(self._array() - other._array()).max() < 0.002)

    def _array(self) -> NDArray[np.float64]:
        return np.array([self.red, self.green, self.blue, self.white])

    def colorants(self) -> NDArray[np.float64] | None:
        """XYZ of the primaries (3, 3) in columns, adapted to D50; None where they span no space."""
        points = self._array()
        if (points <= 0).any() or (points >= 1).any() or (points.sum(1) > 1).any():
            return None
        xyz = np.stack([points[:, 0], points[:, 1], 1 - points.sum(1)]) / points[:, 1]
        primaries, white = xyz[:, :3], xyz[:, 3]
        if abs(np.linalg.det(primaries)) < 1e-6:
            return None
        scaled = primaries * np.linalg.solve(primaries, white)
        cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
        matrix: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ scaled
        return matrix


def gamma(power: float) -> bytes:
    """The curve `linear = coded ** power`, as a tag of type para."""
    return b"para" + struct.pack(">IHHi", 0, 0, 0, _fixed(power))


def table(linear: NDArray[np.float64]) -> bytes:
    """The curve through values in 0..1 at equal steps of the coded one, as a tag of type curv."""
    values: bytes = np.rint(linear.clip(0, 1) * 65535).astype(">u2").tobytes()
    return b"curv" + struct.pack(">II", 0, len(linear)) + values


def _fixed(value: float) -> int:
    """s15Fixed16Number."""
    return round(min(max(value, -32768), 32767) * 65536)


#: IEC 61966-2-1: linear below 0.04045, a power of 2.4 above.
SRGB_CURVE = b"para" + struct.pack(
    ">IHH5i", 0, 3, 0, *map(_fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
)


@functools.lru_cache(maxsize=64)
def made_profile(corners: Chromaticities, curve: bytes) -> bytes | None:
    """A display profile of RGB samples; None where the chromaticities span no space."""
    colorants = corners.colorants()
    if colorants is None:
        return None
    text = (
        b"mluc"
        + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", 6, 28)
        + "RGB".encode("utf-16-be")
    )
    tags = {b"desc": text, b"cprt": text, b"wtpt": _xyz(_D50)}
    tags |= {name: _xyz(colorants[:, i]) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    start = 128 + 4 + 12 * len(tags)
    listing, body, places = b"", b"", dict[bytes, int]()
    for name, content in tags.items():
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
        listing += struct.pack(">4sII", name, places[content], len(content))
    header = struct.pack(
        ">I4sI4s4s4s12s4s24xI12s48x",
        start + len(body), b"", 0x04400000, b"mntr", b"RGB ", b"XYZ ",
        struct.pack(">6H", 2026, 1, 1, 0, 0, 0), b"acsp", 1, _xyz(_D50)[8:],
    )  # fmt: skip
    return header + struct.pack(">I", len(tags)) + listing + body


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + struct.pack(">I3i", 0, *(_fixed(float(value)) for value in values))
