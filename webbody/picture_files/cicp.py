"""Colours named by code points, in AVIF, HEIC and PNG (ITU-T H.273, sections 8.1 and 8.2)."""

import functools

import numpy as np
from numpy.typing import NDArray

from webbody.picture_files.made_profile import (
    SRGB_CURVE,
    Chromaticities,
    gamma,
    made_profile,
    table,
)

_D65, _ILLUMINANT_C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_SMPTE170 = Chromaticities((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
_PRIMARIES = {
    1: Chromaticities(),
    4: Chromaticities((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _ILLUMINANT_C),
    5: Chromaticities((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: _SMPTE170,
    7: _SMPTE170,
    9: Chromaticities((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: Chromaticities(*_P3, _DCI),
    12: Chromaticities(*_P3, _D65),
}
#: Video's curves (1, 6, 14, 15) belong to screens on which sRGB looks the same: as browsers do.
_LIKE_SRGB = (1, 6, 13, 14, 15)
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_PQ, _HLG = 16, 18
#: Light of white paper in pictures of high range, in cd/m2 (ITU-R BT.2408); brighter is clipped.
_PAPER_WHITE = 203


@functools.cache
def coded_profile(primaries: int, transfer: int) -> bytes | None:
    """The ICC profile of code points; None for sRGB's, and for those that are unknown."""
    corners = _PRIMARIES.get(primaries)
    curve = _curve(transfer)
    if corners is None or curve is None or (primaries == 1 and curve == SRGB_CURVE):
        return None
    return made_profile(corners, curve)


def _curve(transfer: int) -> bytes | None:
    if transfer in _LIKE_SRGB:
        return SRGB_CURVE
    if transfer in _GAMMAS:
        return gamma(_GAMMAS[transfer])
    coded = np.linspace(0, 1, 4096)
    if transfer == _PQ:
        return table(_pq(coded) / _PAPER_WHITE)
    # HLG: paper white is a signal of 0.75 (BT.2408).
    return table(_hlg(coded) / _hlg(np.array(0.75))) if transfer == _HLG else None


def _pq(coded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light in cd/m2 (SMPTE ST 2084; ITU-R BT.2100, table 4)."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = coded ** (1 / m2)
    return 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg(coded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of a screen of 1,000 cd/m2, relative (ITU-R BT.2100, table 5: system gamma 1.2)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12)
    return scene**1.2
