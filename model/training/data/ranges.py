"""Parts of files by offset and length, from a local disk or any fsspec URL."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from io import FileIO

import fsspec

#: Local files that stay open; systems allow a process 1024 by default.
_OPEN = 256


class Ranges:
    """Reads parts of numbered files, which it keeps open; each process needs its own."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._handles: OrderedDict[int, FileIO] = OrderedDict()

    def read(self, places: Sequence[tuple[int, int, int]]) -> list[bytearray | OSError]:
        """For each (file, offset, length) its bytes, or the error that reading them met."""
        remote = {i: place for i, place in enumerate(places) if "://" in self._urls[place[0]]}
        fetched = dict(zip(remote, self._fetch(list(remote.values())), strict=True))
        return [fetched.get(i) or self._local(*place) for i, place in enumerate(places)]

    def _local(self, file: int, offset: int, length: int) -> bytearray | OSError:
        data = bytearray(length)
        try:
            if os.preadv(self._handle(file).fileno(), [data], offset) != length:
                return OSError("the shard ends before the picture does")
        except OSError as error:
            return error
        return data

    def _handle(self, file: int) -> FileIO:
        if file not in self._handles:
            if len(self._handles) >= _OPEN:
                self._handles.popitem(last=False)[1].close()
            self._handles[file] = FileIO(self._urls[file])
        self._handles.move_to_end(file)
        return self._handles[file]

    def _fetch(self, places: list[tuple[int, int, int]]) -> list[bytearray | OSError]:
        """Remote parts, those of one file system at once: each waits for the network alone."""
        out: list[bytearray | OSError] = [OSError("not read")] * len(places)
        groups: dict[fsspec.AbstractFileSystem, list[tuple[int, str]]] = {}
        for i, (file, _, _) in enumerate(places):
            fs, path = fsspec.core.url_to_fs(self._urls[file])
            groups.setdefault(fs, []).append((i, path))
        for fs, wanted in groups.items():
            starts = [places[i][1] for i, _ in wanted]
            ends = [places[i][1] + places[i][2] for i, _ in wanted]
            paths = [path for _, path in wanted]
            parts = fs.cat_ranges(paths, starts, ends, on_error="return")
            for (i, _), part in zip(wanted, parts, strict=True):
                if isinstance(part, Exception):
                    out[i] = part if isinstance(part, OSError) else OSError(str(part))
                elif len(part) != places[i][2]:
                    out[i] = OSError("the shard ends before the picture does")
                else:
                    out[i] = bytearray(part)
        return out
