"""Maps of numbers with many digits, depth and normals: .npz and OpenEXR files."""

import io
import threading
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.sapiens.data.files import read_bytes, refuse

#: How EXR files call their channels: one of depth, three of vectors.
_ONE = (("Z",), ("Y",), ("V",), ("R",))
_THREE = (("R", "G", "B"), ("X", "Y", "Z"))
#: numpy parses a header as Python code, which CPython before 3.11.5 cannot do in several threads at
#: once: "AST constructor recursion depth mismatch".
_HEADERS = threading.Lock()


def read_map(path: Path, shape: tuple[int, ...], names: tuple[str, ...]) -> NDArray[np.float32]:
    """A map of numbers of a known shape, (H, W) or (H, W, 3), as float32.

    In an .npz file it is the only array, or the one with one of the `names`; in an .exr file the
    channel Z, Y, V or R, or R G B or X Y Z. Values may be NaN or infinite.

    Raises WebbodyError, before anything large is allocated, for files that are broken or hold
    something else. ModuleNotFoundError where OpenEXR is needed and missing.
    """
    data = read_bytes(path)
    values = _from_exr(path, data, shape) if is_exr(path) else _from_npz(path, data, shape, names)
    return values.astype(np.float32)


def is_exr(path: Path) -> bool:
    return path.suffix.lower() == ".exr"


def _from_npz(
    path: Path, data: bytes, shape: tuple[int, ...], names: tuple[str, ...]
) -> NDArray[Any]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = [name for name in archive.namelist() if name.endswith(".npy")]
            chosen = [name for name in arrays if name.removesuffix(".npy") in names] or arrays
            if len(chosen) != 1:
                found = ", ".join(sorted(name.removesuffix(".npy") for name in arrays)) or "none"
                refuse(
                    path,
                    f"should hold one array, or one of the name {' or '.join(names)} (there are: "
                    f"{found})",
                )
            with archive.open(chosen[0]) as file:
                version = np.lib.format.read_magic(file)
                read_header = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }[version]
                with _HEADERS:
                    found_shape, by_columns, dtype = read_header(file)
                _check(path, found_shape, shape, dtype)
                values = np.frombuffer(file.read(), dtype)
                return values.reshape(found_shape, order="F" if by_columns else "C")
    except (
        zipfile.BadZipFile, zlib.error, tokenize.TokenError, ArithmeticError, EOFError, KeyError,
        OSError, RuntimeError, SyntaxError, TypeError, ValueError,
    ) as error:  # fmt: skip
        refuse(path, f"is broken or no .npz file ({error}); write it anew with numpy.savez")


def _from_exr(path: Path, data: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    import OpenEXR

    # Its threads would not outlive a fork into loader workers.
    how = {"separate_channels": True, "num_threads": 0}
    try:
        header = OpenEXR.File(io.BytesIO(data), header_only=True, **how)
        (left, top), (right, bottom) = header.header()["dataWindow"]
        size = (int(bottom - top) + 1, int(right - left) + 1)
        _check(path, (*size, *shape[2:]), shape, np.dtype(np.float32))
        file = OpenEXR.File(io.BytesIO(data), **how)
        channels = file.channels()
        wanted = _THREE if len(shape) == 3 else _ONE
        chosen = [names for names in wanted if set(names) <= set(channels)]
        if not chosen:
            expected = " or ".join("".join(names) for names in wanted)
            refuse(path, f"has the channels {', '.join(sorted(channels))}, not {expected}")
        layers = [np.asarray(channels[name].pixels) for name in chosen[0]]
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        refuse(path, f"is broken or no OpenEXR file ({error})")
    for layer in layers:
        _check(path, (*layer.shape, *shape[2:]), shape, layer.dtype)
    return np.stack(layers, -1) if len(shape) == 3 else layers[0]


def _check(
    path: Path, found: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    if found != shape:
        refuse(path, f"holds an array of {_sides(found)}, its picture needs {_sides(shape)}")
    if dtype.kind not in "fiu":
        refuse(path, f"holds values of type {dtype}; store real numbers")


def _sides(shape: tuple[int, ...]) -> str:
    """A shape as one reads it, height first as numpy has it."""
    return " x ".join(map(str, shape)) or "one number"
