"""Tar shards: written deterministically, read one member at a time, never extracted to disk.

A member's offset and length are kept in the tables, so that a reader fetches single members of a
shard (also of a remote one) without scanning it.
"""

import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from webbody.storage import Folder

#: Members that are asked for side by side.
_AT_ONCE = 128
#: Larger members than this are not read: no honest member of ours comes near it.
MAX_MEMBER_BYTES = 1 << 30


class TarWriter:
    """Writes members with fixed owner, mode and time, so that equal content gives equal bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        # Copy a member in one piece; the default of 16 KiB at a time costs more than the disk.
        self._tar = tarfile.TarFile(
            fileobj=file, mode="w", format=tarfile.USTAR_FORMAT, copybufsize=1 << 24
        )

    def add(self, name: str, data: bytes) -> tuple[int, int]:
        """Append a member; returns the offset of its data in the tar, and its length."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        info.mode = 0o644
        self._tar.addfile(info, io.BytesIO(data))
        padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        return self._tar.offset - padded, len(data)

    def close(self) -> None:
        """Write the end-of-archive blocks; the file itself stays open."""
        self._tar.close()


def read_members(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """The regular members of a tar, in order.

    Raises tarfile.ReadError where the archive is truncated or is none.
    """
    for name, _, data in located_members(file):
        yield name, data


def located_members(file: IO[bytes]) -> Iterator[tuple[str, int, bytes]]:
    """Like `read_members`, with the offset of each member's data in the tar."""
    with _opened(file) as tar:
        while (info := _next(tar)) is not None:
            if not info.isfile():
                continue
            if info.issparse():  # a few bytes that stand for gigabytes
                raise tarfile.ReadError(f"member {info.name} is sparse, which is not read")
            if info.size > MAX_MEMBER_BYTES:
                raise tarfile.ReadError(f"member {info.name} has {info.size} bytes")
            member = tar.extractfile(info)
            data = member.read() if member else b""
            if len(data) != info.size:
                raise tarfile.ReadError(f"member {info.name} is truncated")
            yield info.name, info.offset_data, data


def _opened(file: IO[bytes]) -> tarfile.TarFile:
    with _as_read_error():
        return tarfile.open(fileobj=file, mode="r|")


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    with _as_read_error():
        return tar.next()


@contextmanager
def _as_read_error() -> Iterator[None]:
    """What headers of nonsense raise: chains of long names, impossible numbers."""
    try:
        yield
    except (RecursionError, ValueError, OverflowError, MemoryError, IndexError) as error:
        raise tarfile.ReadError(f"a header makes no sense ({type(error).__name__})") from error


class MemberReader:
    """Random access to the members of one tar by offset and length."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._file = folder.open(name)

    def read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return _whole(self._file.read(length), offset, length)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "MemberReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_scattered(folder: Folder, places: Sequence[tuple[str, int, int]]) -> Iterator[bytes]:
    """Members of several tars by tar, offset and length, in this order.

    On a disk one tar is open at a time, so they are to be sorted by it. In a store each is asked
    for by itself: what is read ahead elsewhere would be a hundred times as much.
    """
    if not folder.local:
        for first in range(0, len(places), _AT_ONCE):
            some = places[first : first + _AT_ONCE]
            for (_, offset, length), data in zip(some, folder.ranges(some), strict=True):
                yield _whole(data, offset, length)
        return
    name, reader = None, None
    try:
        for tar, offset, length in places:
            if reader is None or tar != name:
                if reader is not None:
                    reader.close()
                name, reader = tar, MemberReader(folder, tar)
            yield reader.read(offset, length)
    finally:
        if reader is not None:
            reader.close()


def _whole(data: bytes, offset: int, length: int) -> bytes:
    if len(data) != length:
        raise OSError(f"expected {length} bytes at {offset}, the tar has {len(data)}")
    return data
