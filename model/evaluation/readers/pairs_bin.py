"""LFW, CFP-FP, CPLFW, CALFW, AgeDB-30 in insightface's `.bin` files."""

import io
import os
import pickle
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError

#: The largest of these files has 14,000 images, a few operations each.
_MAX_OPERATIONS = 1_000_000


@dataclass(frozen=True)
class VerificationPairs:
    """Encoded images (2P), of which 2k and 2k + 1 are pair k, and which pairs show one person (P,).

    Decode them as RGB.
    """

    images: list[bytes]
    same: NDArray[np.bool_]


def read_pairs(path: str | os.PathLike[str]) -> VerificationPairs:
    """The pairs of a `.bin` file: a pickled tuple of encoded images and of booleans.

    Nothing but lists, tuples, bytes and numbers is unpickled, so that no code of the file's is run.
    Raises WebbodyError where it is missing, damaged, or holds anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise WebbodyError(f"{path}: there is no such file")
    try:
        data = path.read_bytes()
        _check(data)
        held = _PlainUnpickler(io.BytesIO(data), len(data)).load()
    # A damaged pickle raises nearly anything.
    except Exception as error:
        raise WebbodyError(f"{path} is no .bin file of pairs: {error}") from error
    is_two = isinstance(held, tuple | list) and len(held) == 2
    if not is_two or not all(isinstance(part, tuple | list) for part in held):
        raise WebbodyError(f"{path} holds no list of images and list of booleans")
    images, same = held
    are_bytes = all(isinstance(image, bytes) for image in images)
    if not are_bytes or not all(isinstance(one, int) and one in (0, 1) for one in same):
        raise WebbodyError(f"{path} holds something else than encoded images and booleans")
    if not images or len(images) != 2 * len(same):
        raise WebbodyError(f"{path} holds {len(images)} images for {len(same)} pairs")
    return VerificationPairs(list(images), np.array(same, bool))


def _check(data: bytes) -> None:
    """Refuse numbers of the memo that would need gigabytes, and more operations than pairs need."""
    for count, (operation, argument, _) in enumerate(pickletools.genops(data), 1):
        if count > _MAX_OPERATIONS:
            raise pickle.UnpicklingError(f"more than {_MAX_OPERATIONS:,} operations")
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count:
            raise pickle.UnpicklingError(f"number {argument} in the memo of {count} objects")


class _Latin1:
    """What older protocols call to write bytes; without attributes that a pickle could set."""

    __slots__ = ("_left",)

    def __init__(self, most: int) -> None:
        self._left = most

    def __call__(self, text: str, encoding: str | bytes) -> bytes:
        if encoding not in ("latin1", b"latin1"):
            raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
        self._left -= len(text)
        if self._left < 0:
            raise pickle.UnpicklingError("it makes more bytes than it holds")
        return text.encode("latin1")


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__(file, encoding="bytes")
        self._latin1 = _Latin1(size)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return self._latin1
        raise pickle.UnpicklingError(f"it holds an object of {module}.{name}, which is not read")
