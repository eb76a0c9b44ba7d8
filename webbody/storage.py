"""Folders on a local disk or behind any fsspec URL, with writes that appear whole or not at all."""

import errno
import hashlib
import io
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import fsspec

from webbody.errors import WebbodyError
from webbody.pending import Pending, sync_folder
from webbody.snapshot import Snapshot, entries_of, fill, new_segment
from webbody.storage_errors import read_errors, retried, write_errors

T = TypeVar("T")
#: Hashed at a time: large enough that threads hardly wait for one another.
_BLOCK = 1 << 20
#: Read at once from a store, whose defaults of 50 MB are more than a worker should hold.
_AHEAD = 1 << 24
_BUFFERS = threading.local()
#: The names that files have while they are written.
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")


class Folder:
    """A folder given by path or URL; names inside it use `/`.

    Cheap to create and to pickle, so stages open their own copy on whatever machine they run. It is
    no fsspec DirFileSystem, whose one use here would be to join paths: all else differs, as writes
    appear whole, reads are retried, and errors are sentences with the address.
    `before_change` is called before anything is written, moved or removed; copies have none.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        before_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = str(url).rstrip("/")
        self.before_change = before_change
        try:
            self.fs, self.root = fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError) as error:
            raise WebbodyError(
                f"{self.url}: cannot be opened ({error}); check the address, and install what "
                "reads it."
            ) from error
        protocols = self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,)
        self.local = "file" in protocols
        #: Whether other processes see the same folder.
        self.is_shared = "memory" not in protocols
        if not self.local and hasattr(self.fs, "dircache"):
            # Others write there, too: what was listed before is not what is there.
            self.fs.dircache.use_listings_cache = False
            self.fs.dircache.clear()
        self._snapshot: Snapshot | None = None
        self._past: Snapshot | None = None  # whose records need not be read again

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return (type(self), (self.url,))

    def path(self, name: str = "") -> str:
        """The full path of `name` as the file system knows it."""
        return f"{self.root}/{name}" if name else str(self.root)

    def _told(self, name: str) -> str:
        """The path or URL of `name` for sentences."""
        return self.path(name) if self.local else f"{self.url}/{name}"

    def open(self, name: str) -> IO[bytes]:
        """Open for reading; seekable."""
        path = self.path(name)
        with read_errors(self._told(name)):
            if self.local:
                return io.BufferedReader(retried(lambda: _LocalFile(path)))
            file = self.fs.open(path, "rb", block_size=_AHEAD)
            return io.BufferedReader(_StoreFile(file, self._told(name)), _BLOCK)

    def look(self) -> None:
        """In an object store: list everything at once, and read the commit records.

        From then on `size`, `names` and `read` of records answer from it, but for what this folder
        itself writes, until the next look or `forget_look`.
        """
        if self.local:
            return
        self.forget_look()
        self.fs.invalidate_cache()
        with read_errors(self.url):
            try:
                found = self.fs.find(self.root, detail=True)
            except FileNotFoundError as error:  # a folder that is missing has no files instead
                raise WebbodyError(
                    f"{self.url}: there is no such bucket; make it, or check the address."
                ) from error
            snapshot = Snapshot(entries_of(self.root, found))
            if self._past is not None:
                snapshot.contents = self._past.contents
                snapshot.indexed, snapshot.loaded = self._past.indexed, self._past.loaded
            fill(snapshot, self._read_many)
        self._snapshot = self._past = snapshot

    def forget_look(self) -> None:
        """Ask the store itself from now on, as somebody else writes there."""
        self._snapshot = None

    def keep_look(self) -> None:
        """Write what the last look read of records into the index, for the next one."""
        if self._snapshot is None:
            return
        segment = new_segment(self._snapshot)
        if segment is not None:
            name, data, replaced = segment
            self.write_bytes(name, data)
            self._snapshot.loaded.add(name)
            self._snapshot.indexed |= set(self._snapshot.contents)
            for old in replaced:
                self.remove(old)

    def _read_many(self, names: list[str]) -> dict[str, bytes]:
        """The contents of files; those that are gone are left out."""
        if not names:
            return {}
        found = self.fs.cat([self.path(name) for name in names], on_error="return")
        contents = {}
        for name in names:
            data = found.get(self.path(name))
            if isinstance(data, bytes):
                contents[name] = data
            elif not isinstance(data, FileNotFoundError | None):
                raise data
        return contents

    def read(self, name: str) -> bytes:
        """The whole file; FileNotFoundError where there is none."""
        if (snapshot := self._known(name)) is not None:
            if name not in snapshot.entries:
                raise FileNotFoundError(self.path(name))
            if (content := snapshot.content(name)) is not None:
                return content
        with read_errors(self._told(name)):
            if self.local:
                with retried(lambda: _LocalFile(self.path(name))) as file:
                    return file.readall()
            data: bytes = self.fs.cat_file(self.path(name))
            return data

    def ranges(self, pieces: Sequence[tuple[str, int, int]]) -> list[bytes]:
        """Pieces of files by name, offset and length; asked for side by side.

        Raises FileNotFoundError where a file is missing.
        """
        names, starts, lengths = zip(*pieces, strict=True)
        ends = [start + length for start, length in zip(starts, lengths, strict=True)]
        with read_errors(self.url):
            found: list[bytes] = self.fs.cat_ranges(
                [self.path(name) for name in names], list(starts), ends, on_error="raise"
            )
        return found

    def sha256(self, name: str) -> str:
        """The digest (hex) of a file's bytes; FileNotFoundError where there is none."""
        buffer, digest = _buffer(), hashlib.sha256()
        path = self.path(name)
        with (
            read_errors(self._told(name)),
            retried(lambda: _LocalFile(path)) if self.local else self.open(name) as file,
        ):
            while count := file.readinto(buffer):  # type: ignore[attr-defined]
                digest.update(buffer[:count])
        return digest.hexdigest()

    def size(self, name: str) -> int | None:
        """Bytes of the file, or None where there is none."""
        if (snapshot := self._known(name)) is not None:
            entry = snapshot.entries.get(name)
            return None if entry is None else entry.size
        path = self.path(name)
        try:
            with read_errors(self._told(name)):
                return retried(lambda: os.stat(path).st_size if self.local else self.fs.size(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def temporary_files(self, prefix: str = "") -> list[str]:
        """What killed writers left directly inside `prefix`; only for who alone writes there."""
        return [f"{prefix}/{n}" if prefix else n for n in self.names(prefix) if _TEMPORARY.match(n)]

    def names(self, prefix: str = "") -> list[str]:
        """Sorted base names of the files directly inside `prefix` ([] where it does not exist)."""
        if self._snapshot is not None and not self._snapshot.changed:
            start = f"{prefix}/" if prefix else ""
            below = (n[len(start) :] for n in self._snapshot.entries if n.startswith(start))
            return sorted({name.split("/")[0] for name in below})
        path = self.path(prefix)
        try:
            with read_errors(self._told(prefix)):
                if self.local:
                    return sorted(retried(lambda: os.listdir(path)))
                found = self.fs.ls(path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(str(path).rsplit("/", 1)[-1] for path in found)

    def _known(self, name: str) -> Snapshot | None:
        """The last look, where it tells of a file."""
        snapshot = self._snapshot
        return snapshot if snapshot is not None and snapshot.knows(name) else None

    def _changing(self, *names: str) -> None:
        """Something is about to be written, moved or removed."""
        self.before_change()
        if self._snapshot is not None:
            self._snapshot.changed.update(names)

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens where there is none."""
        self._changing(name)
        path = self.path(name)
        with write_errors(self.url), suppress(FileNotFoundError):
            if self.local:
                retried(lambda: os.unlink(path))
            else:
                self.fs.rm_file(path)

    def move(self, name: str, to: str) -> None:
        """Give a file another name, replacing an older file of that name."""
        self._changing(name, to)
        with write_errors(self.url):
            if not self.local:
                self.fs.mv(self.path(name), self.path(to))
                return
            final = Path(self.path(to))
            final.parent.mkdir(parents=True, exist_ok=True)
            retried(lambda: os.replace(self.path(name), final))
            sync_folder(final.parent)

    def begin(self, name: str, durable: bool = True) -> Pending:
        """Start a file that stays invisible under its name until it is published.

        One that is not durable is whole, but may be lost with the machine's power.
        """
        self._changing(name)
        return Pending(self, name, durable)

    @contextmanager
    def write(self, name: str, durable: bool = True) -> Iterator[IO[bytes]]:
        """Write a file that gets its name only when the block ends without an error."""
        pending = self.begin(name, durable)
        try:
            yield pending.file
            pending.seal()
            pending.publish()
        except BaseException:
            pending.discard()
            raise

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a whole file at once, atomically."""
        with self.write(name) as file:
            file.write(data)

    def update_bytes(self, name: str, data: bytes) -> None:
        """Write a whole file at once, unless it is there with this content."""
        with suppress(FileNotFoundError, NotADirectoryError):
            if self.read(name) == data:
                return
        self.write_bytes(name, data)

    def create_bytes(self, name: str, data: bytes) -> bool:
        """Write a file if there is none of that name; whether it has this content now.

        Of several who do so at once one succeeds (stores: docs/stores.md).
        """
        pending = self.begin(name, durable=False)
        try:
            pending.file.write(data)
            pending.seal()
            if pending.publish_new():
                return True
        except BaseException:
            pending.discard()
            raise
        with suppress(FileNotFoundError):
            return self.read(name) == data  # an answer was lost, and the request sent again
        return False

    def cache_bytes(self, name: str, data: bytes) -> None:
        """Write a file that may be lost with the machine's power: it is whole, but not flushed."""
        with self.write(name, durable=False) as file:
            file.write(data)


class _LocalFile(io.FileIO):
    """Reads a file of a disk; what goes wrong is told with its path.

    Where a network file system lost it, it is opened again if it is still the same file.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path
        self._state = self._now(self.fileno())

    def readinto(self, buffer: Any) -> int:
        read = super().readinto
        return self._reading(lambda: read(buffer) or 0)

    def readall(self) -> bytes:
        return self._reading(super().readall)

    def _reading(self, action: Callable[[], T]) -> T:
        with read_errors(self._path):
            place = self.tell()
            try:
                return action()
            except OSError as error:
                if error.errno != errno.ESTALE or not self._opened_again():
                    raise
            self.seek(place)
            return action()

    def _opened_again(self) -> bool:
        """Open the path once more, unless it is another file by now."""
        again = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if self._now(again) != self._state:
                return False
            os.dup2(again, self.fileno(), inheritable=False)
        finally:
            os.close(again)
        return True

    @staticmethod
    def _now(handle: int) -> tuple[int, int]:
        found = os.fstat(handle)
        return found.st_size, found.st_mtime_ns


class _StoreFile(io.RawIOBase):
    """Reads a file of an object store; what goes wrong is told with its path."""

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path = file, path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with read_errors(self._path):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        with read_errors(self._path):
            data: bytes = self._file.read()
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with read_errors(self._path):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _buffer() -> memoryview:
    """This thread's own, which is made once."""
    if not hasattr(_BUFFERS, "view"):
        _BUFFERS.view = memoryview(bytearray(_BLOCK))
    view: memoryview = _BUFFERS.view
    return view
