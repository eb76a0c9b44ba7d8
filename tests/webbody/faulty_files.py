"""A disk and an object store that fail at the n-th thing that they are asked for."""

import io
import os
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from fsspec.implementations.memory import MemoryFileSystem

from webbody import storage


class Faults:
    """Counts operations, and raises at the one whose number is `at` (and at all after it).

    Args:
        at: Number of the operation that fails, from 0; None for none.
        error: Makes the error from the operation's name and path.
        lasting: Whether whatever follows fails, too.
    """

    def __init__(self, at=None, error=None, lasting=False):
        self.at, self.error, self.lasting = at, error, lasting
        self.seen = []

    def point(self, what, path):
        number = len(self.seen)
        self.seen.append((what, str(path)))
        if self.at is not None and (number == self.at or (self.lasting and number > self.at)):
            raise self.error(what, str(path))


def disk_error(code):
    """Errors of this number, as the system raises them."""
    return lambda what, path: OSError(code, os.strerror(code), path)


@contextmanager
def faulty_disk(root, faults, short=False):
    """Within the block what is done to files below `root` passes `faults`.

    short: instead of an error, writes put down less than they say.
    """
    root = str(root)
    handles = {}

    def below(path):
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(root)

    def wrapped(name):
        real = getattr(os, name)

        def call(path, *args, **kwargs):
            if isinstance(path, int):
                path_of = handles.get(path)
                if path_of is not None:
                    faults.point(name, path_of)
            elif below(path):
                faults.point(name, path)
            # What is flushed makes no difference to who reads it.
            found = None if name == "fsync" else real(path, *args, **kwargs)
            if name == "open" and below(path):
                handles[found] = os.fspath(path)
            return found

        return mock.patch.object(os, name, call)

    class Written(io.FileIO):
        def write(self, data):
            try:
                faults.point("write", handles.get(self.fileno(), ""))
            except OSError:
                if not short:
                    raise
                super().write(bytes(data)[: len(data) // 2])
                return len(data)
            return super().write(data)

    class Raw(io.FileIO):
        def __init__(self, path, *args):
            if below(path):
                faults.point("open", path)
            super().__init__(path, *args)
            handles[self.fileno()] = os.fspath(path)

        def readinto(self, buffer):
            faults.point("read", handles[self.fileno()])
            return super().readinto(buffer)

        def readall(self):
            faults.point("read", handles[self.fileno()])
            return super().readall()

    reader = type("Reader", (storage._LocalFile, Raw), {})
    names = ("open", "mkdir", "replace", "unlink", "chmod", "fsync", "listdir", "stat")
    with mock.patch.object(io, "FileIO", Written), mock.patch.object(storage, "_LocalFile", reader):
        patches = [wrapped(name) for name in names]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()


class FaultyStore(MemoryFileSystem):
    """An object store in this process whose requests pass `faults`; its files have tags."""

    protocol = "faulty"
    store = {}
    pseudo_dirs = [""]
    faults = Faults()
    _writes = 0

    def _asked(self, what, path):
        type(self).faults.point(what, path)

    def cat_file(self, path, *args, **kwargs):
        self._asked("get", path)
        return super().cat_file(path, *args, **kwargs)

    def _open(self, path, mode="rb", **kwargs):
        self._asked("open", path)
        return super()._open(path, mode, **kwargs)

    def put_file(self, lpath, rpath, **kwargs):
        self._asked("put", rpath)
        self.pipe_file(rpath, Path(lpath).read_bytes())
        type(self)._writes += 1
        self.store[self._strip_protocol(rpath)].tag = self._writes

    def rm_file(self, path):
        self._asked("delete", path)
        if self._strip_protocol(path) not in self.store:
            raise FileNotFoundError(path)
        super().rm_file(path)

    def ls(self, path, detail=True, **kwargs):
        self._asked("list", path)
        found = super().ls(path, detail=True, **kwargs)
        for info in found:
            if info["type"] == "file":
                info["ETag"] = str(self.store[info["name"]].tag)
        return found if detail else [info["name"] for info in found]

    def size(self, path):
        self._asked("head", path)
        return super().size(path)
