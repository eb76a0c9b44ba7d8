"""Lists of known harmful pictures: a release with any of them is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webbody.errors import WebbodyError
from webbody.list_text import text_lines

#: Bits in which the perceptual hashes of one photo differ at most after scaling and compressing
#: (`pipelines.identity.perceptual_hash`: 2 were seen), and one more.
NEAR = 3
_BANDS = NEAR + 1  # of hashes that differ in NEAR bits one band at least is the same
_BAND_BITS = 64 // _BANDS
_SHA256, _PHASH = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{16}")


class KnownHarm:
    """Digests of harmful pictures: sha256 of files, and perceptual hashes of photos."""

    def __init__(self, sha256: frozenset[str], phashes: NDArray[np.uint64]) -> None:
        self._sha256 = sha256
        self._bands = [_band(phashes, band) for band in range(_BANDS)]
        orders = [np.argsort(band, kind="stable") for band in self._bands]
        self._bands = [band[order] for band, order in zip(self._bands, orders, strict=True)]
        self._phashes = [phashes[order] for order in orders]

    @classmethod
    def read(cls, path: str | Path) -> "KnownHarm":
        """Read a list: on each line 64 (sha256) or 16 (perceptual hash) hexadecimal digits.

        Blank lines and what follows a `#` are left out. Raises WebbodyError, naming the line.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise WebbodyError(
                f"{path}: cannot be read ({error.strerror}); check the path."
            ) from error
        sha256, phashes = set(), set()
        for number, line in enumerate(text_lines(data, str(path)), 1):
            text = line.partition("#")[0].strip().lower().removeprefix("0x")
            if _SHA256.fullmatch(text):
                sha256.add(text)
            elif _PHASH.fullmatch(text):
                phashes.add(int(text, 16))
            elif text:
                raise WebbodyError(
                    f"{path}, line {number}: has neither 64 (sha256) nor 16 (perceptual hash) "
                    "hexadecimal digits; fix the list, as nothing may slip through."
                )
        if not sha256 and not phashes:
            raise WebbodyError(f"{path}: lists nothing; give a list, or leave the option out.")
        return cls(frozenset(sha256), np.array(sorted(phashes), np.uint64))

    def found(self, table: pa.Table) -> NDArray[np.bool_]:
        """Which rows of a release (N,) are listed pictures."""
        files = np.array([one in self._sha256 for one in table["sha256"].to_pylist()], bool)
        return files | self._near(table["phash"].to_numpy().view(np.uint64))

    def _near(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which hashes (N,) differ from a listed one in NEAR bits at most."""
        out = np.zeros(len(hashes), bool)
        for number, (band, listed) in enumerate(zip(self._bands, self._phashes, strict=True)):
            own = _band(hashes, number)
            start = np.searchsorted(band, own, "left")
            end = np.searchsorted(band, own, "right")
            for at in np.flatnonzero((end > start) & ~out).tolist():
                differ = np.bitwise_count(listed[start[at] : end[at]] ^ hashes[at])
                out[at] = bool((differ <= NEAR).any())
        return out


def _band(hashes: NDArray[np.uint64], number: int) -> NDArray[Any]:
    mask = np.uint64((1 << _BAND_BITS) - 1)
    return (hashes >> np.uint64(_BAND_BITS * number)) & mask
