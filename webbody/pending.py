"""A file that is written under a temporary name and appears whole, or not at all."""

import errno
import inspect
import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fsspec import AbstractFileSystem

from webbody.errors import WebbodyError
from webbody.scratch import scratch_file
from webbody.storage_errors import retried, status_of, write_errors

if TYPE_CHECKING:
    from webbody.storage import Folder


def _umask() -> int:
    """The process's umask; reading it means setting it, so it is done once, before any thread."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()
#: What uploads hold in memory: bytes of a part, and how many at a time, where a store is told.
_PARTS = {"chunksize": 1 << 23, "max_concurrency": 4}
#: What stores answer where a file is there, or is being written by another one.
_CONDITION_FAILED = (409, 412)


class Pending:
    """A file being written: `file` to write to, then `seal`, then `publish`; or `discard`.

    Locally a hidden temporary file beside the final one, flushed to the disk and renamed; remotely
    a local temporary file, uploaded in one operation. Sealing closes the handle, so that thousands
    of sealed files can wait for one commit.

    Args:
        folder: Where it will lie.
        name: What it will be called.
        durable: Whether it is flushed, and so survives the loss of the machine's power.
    """

    def __init__(self, folder: "Folder", name: str, durable: bool = True) -> None:
        self._folder, self._final, self._durable = folder, folder.path(name), durable
        self._where = folder.url if folder.local else tempfile.gettempdir()
        with write_errors(self._where):
            handle, self._temporary = retried(self._create)
            self.file: IO[bytes] = _WriteBehind(io.FileIO(handle, "w+"), self._where)

    def _create(self) -> tuple[int, str]:
        if not self._folder.local:
            return scratch_file("upload")
        final = Path(self._final)
        final.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(".tmp", f".{final.name}.", final.parent)

    def seal(self) -> None:
        """Flush everything to the disk and close the handle."""
        with write_errors(self._where):
            self.file.flush()
            if os.fstat(self.file.fileno()).st_size != self.file.end:  # type: ignore[attr-defined]
                raise OSError(errno.EIO, "fewer bytes are there than were written")
            if self._durable:
                os.fsync(self.file.fileno())
            self.file.close()

    def publish(self) -> None:
        """Give the sealed file its name, replacing an older one."""
        folder = self._folder
        with write_errors(folder.url):
            if not folder.local:
                _upload(folder.fs, self._temporary, self._final)
                os.unlink(self._temporary)
                return
            os.chmod(self._temporary, 0o666 & ~_UMASK)
            retried(lambda: os.replace(self._temporary, self._final))
            if self._durable:
                sync_folder(Path(self._final).parent)

    def publish_new(self) -> bool:
        """Give the sealed file its name if no file has it, in one step; whether it was so."""
        folder = self._folder
        try:
            with write_errors(folder.url):
                if folder.local:
                    os.chmod(self._temporary, 0o666 & ~_UMASK)
                    return _link(self._temporary, self._final)
                try:
                    _upload(folder.fs, self._temporary, self._final, mode="create")
                except Exception as error:
                    if isinstance(error, FileExistsError) or status_of(error) in _CONDITION_FAILED:
                        return False
                    raise
                return True
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what was written, if it was not published."""
        with suppress(OSError, WebbodyError):  # it flushes once more
            self.file.close()
        with suppress(OSError):  # of a disk that takes nothing any more; the next build sweeps
            Path(self._temporary).unlink(missing_ok=True)


class _WriteBehind(io.BufferedRandom):
    """A file that goes to the disk while it grows, so that the flush at its end is short.

    Its own errors are told as errors of `url`; those of what is read to fill it are not.
    """

    _STEP = 1 << 24
    _dirty = 0
    _place = 0  # counted, as the disk may have taken less
    #: Bytes that the file must have.
    end = 0

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
            self._place = super().seek(offset, whence)
            return self._place

    def _write(self, data: Any) -> int:
        count = super().write(data)
        self._place += count
        self.end = max(self.end, self._place)
        self._dirty += count
        if self._dirty >= self._STEP and hasattr(os, "posix_fadvise"):
            self.flush()
            # Linux answers this advice by starting to write out what is dirty, without waiting.
            start = max(0, self._place - self._dirty)
            os.posix_fadvise(self.fileno(), start, self._dirty, os.POSIX_FADV_DONTNEED)
            self._dirty = 0
        return count


def _upload(fs: AbstractFileSystem, path: str, name: str, **mode: str) -> None:
    """Store a file, in parts where it is large: their defaults hold all of a shard in memory."""
    known = inspect.signature(getattr(fs, "_put_file", fs.put_file)).parameters
    options = {key: value for key, value in _PARTS.items() if key in known}
    fs.put_file(path, name, **options, **mode)


def _link(path: str, name: str) -> bool:
    """Give a file a second name, unless there is one of that name."""
    try:
        os.link(path, name)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        if os.path.exists(name):  # a system without hard links: two may come at once
            return False
        os.replace(path, name)
    return True


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut (the rename lives in the folder, not in the file)."""
    handle = retried(lambda: os.open(folder, os.O_RDONLY))
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some systems cannot do it
            raise
    finally:
        os.close(handle)
