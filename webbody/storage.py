"""Folders on a local disk or behind any fsspec URL, with writes that appear whole or not at all."""

import errno
import hashlib
import io
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import fsspec

from webbody.errors import WebbodyError
from webbody.snapshot import Snapshot, entries_of, fill, new_segment


def _umask() -> int:
    """The process's umask; reading it means setting it, so it is done once, before any thread."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()
#: Hashed at a time: large enough that threads hardly wait for one another.
_BLOCK = 1 << 20
_BUFFERS = threading.local()
#: The names that files have while they are written.
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")


class Folder:
    """A folder given by path or URL; names inside it use `/`.

    Cheap to create and to pickle, so stages open their own copy on whatever machine they run.
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

    def open(self, name: str) -> IO[bytes]:
        """Open for reading; seekable."""
        with _readable(self.path(name)):
            file: IO[bytes] = self.fs.open(self.path(name), "rb")
            return file

    def look(self) -> None:
        """In an object store: list everything at once, and read the commit records.

        From then on `size`, `names` and `read` of records answer from it, but for what this folder
        itself writes, until the next look or `forget_look`.
        """
        if self.local:
            return
        self.forget_look()
        self.fs.invalidate_cache()
        snapshot = Snapshot(entries_of(self.root, self.fs.find(self.root, detail=True)))
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
        with _readable(self.path(name)):
            if self.local:
                return Path(self.path(name)).read_bytes()
            data: bytes = self.fs.cat_file(self.path(name))
            return data

    def sha256(self, name: str) -> str:
        """The digest (hex) of a file's bytes; FileNotFoundError where there is none."""
        digest = hashlib.sha256()
        with _readable(self.path(name)):
            if self.local:
                buffer = _buffer()
                with open(self.path(name), "rb", buffering=0) as raw:
                    while count := raw.readinto(buffer):
                        digest.update(buffer[:count])
            else:
                with self.open(name) as file:
                    while block := file.read(_BLOCK):
                        digest.update(block)
        return digest.hexdigest()

    def size(self, name: str) -> int | None:
        """Bytes of the file, or None where there is none."""
        if (snapshot := self._known(name)) is not None:
            entry = snapshot.entries.get(name)
            return None if entry is None else entry.size
        try:
            if self.local:
                return os.stat(self.path(name)).st_size
            return int(self.fs.size(self.path(name)))
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
        try:
            found = self.fs.ls(self.path(prefix), detail=False)
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
        with suppress(FileNotFoundError):
            self.fs.rm_file(self.path(name))

    def move(self, name: str, to: str) -> None:
        """Give a file another name, replacing an older file of that name."""
        self._changing(name, to)
        with write_errors(self.url):
            if not self.local:
                self.fs.mv(self.path(name), self.path(to))
                return
            final = Path(self.path(to))
            final.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.path(name), final)
            _sync_folder(final.parent)

    def begin(self, name: str) -> "Pending":
        """Start a file that stays invisible under its name until it is published."""
        self._changing(name)
        return Pending(self, name)

    @contextmanager
    def write(self, name: str) -> Iterator[IO[bytes]]:
        """Write a file that gets its name only when the block ends without an error."""
        pending = self.begin(name)
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

    def cache_bytes(self, name: str, data: bytes) -> None:
        """Write a file that may be lost with the machine's power: it is whole, but not flushed."""
        if not self.local:
            self.write_bytes(name, data)
            return
        with write_errors(self.url):
            final = Path(self.path(name))
            final.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(".tmp", f".{final.name}.", final.parent)
            with open(handle, "wb") as file:
                file.write(data)
            os.chmod(temporary, 0o666 & ~_UMASK)
            os.replace(temporary, final)


class Pending:
    """A file being written: `file` to write to, then `seal`, then `publish`; or `discard`.

    Locally a hidden temporary file beside the final one, flushed to the disk and renamed; remotely
    a local temporary file, uploaded in one operation. Sealing closes the handle, so that thousands
    of sealed files can wait for one commit.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name
        self._where = folder.url if folder.local else tempfile.gettempdir()
        with write_errors(self._where):
            parent = Path(folder.path(name)).parent if folder.local else None
            if parent is not None:
                parent.mkdir(parents=True, exist_ok=True)
            base = name.rsplit("/", 1)[-1]
            handle, self._temporary = tempfile.mkstemp(".tmp", f".{base}.", parent)
            self.file: IO[bytes] = _WriteBehind(io.FileIO(handle, "w+"), self._where)

    def seal(self) -> None:
        """Flush everything to the disk and close the handle."""
        with write_errors(self._where):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    def publish(self) -> None:
        """Give the sealed file its name, replacing an older one."""
        folder, final = self._folder, self._folder.path(self._name)
        with write_errors(folder.url):
            if not folder.local:
                folder.fs.put_file(self._temporary, final)
                os.unlink(self._temporary)
                return
            os.chmod(self._temporary, 0o666 & ~_UMASK)
            os.replace(self._temporary, final)
            _sync_folder(Path(final).parent)

    def discard(self) -> None:
        """Remove what was written, if it was not published."""
        with suppress(OSError, WebbodyError):  # it flushes once more
            self.file.close()
        Path(self._temporary).unlink(missing_ok=True)


class _WriteBehind(io.BufferedRandom):
    """A file that goes to the disk while it grows, so that the flush at its end is short.

    Its own errors are told as errors of `url`; those of what is read to fill it are not.
    """

    _STEP = 1 << 24
    _dirty = 0

    def __init__(self, raw: io.FileIO, url: str) -> None:
        super().__init__(raw)
        self._url = url

    def write(self, data: Any) -> int:
        with write_errors(self._url):
            return self._write(data)

    def flush(self) -> None:
        with write_errors(self._url):
            super().flush()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with write_errors(self._url):  # it flushes
            return super().seek(offset, whence)

    def _write(self, data: Any) -> int:
        count = super().write(data)
        self._dirty += count
        if self._dirty >= self._STEP and hasattr(os, "posix_fadvise"):
            self.flush()
            # Linux answers this advice by starting to write out what is dirty, without waiting.
            start = max(0, self.tell() - self._dirty)
            os.posix_fadvise(self.fileno(), start, self._dirty, os.POSIX_FADV_DONTNEED)
            self._dirty = 0
        return count


def _buffer() -> memoryview:
    """This thread's own, which is made once."""
    if not hasattr(_BUFFERS, "view"):
        _BUFFERS.view = memoryview(bytearray(_BLOCK))
    view: memoryview = _BUFFERS.view
    return view


@contextmanager
def write_errors(url: str, denied: bool = True) -> Iterator[None]:
    """Turn a full or read-only disk, and what is `denied`, into one sentence.

    Only for what writes below `url` and reads nothing: an error does not say which it was.
    """
    reasons = {
        errno.ENOSPC: "no space is left on the device",
        errno.EDQUOT: "the disk quota is used up",
        errno.EROFS: "the file system is read-only",
    }
    if denied:
        reasons[errno.EACCES] = "permission was denied"
    try:
        yield
    except OSError as error:
        if error.errno not in reasons:
            raise
        raise WebbodyError(
            f"Cannot write to {url}: {reasons[error.errno]}. Everything committed so far is kept; "
            "make room or choose another folder and run the same command again."
        ) from error


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise WebbodyError(
            f"Cannot read {path}: permission was denied; let this user read it and run the same "
            "command again."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut (the rename lives in the folder, not in the file)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
