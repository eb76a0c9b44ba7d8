"""A JSON file of long arrays, written item by item: none of it is held in memory."""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from webbody.scratch import scratch_folder
from webbody.storage import Folder


class JsonArrays:
    """An object whose values are arrays; they stand in files of their own until `finish`.

    Args:
        folder: Where the file lies.
        name: Of the file.
        arrays: The keys of the arrays, in the order of the file.
        files: Closes the files, or drops them after an error.
    """

    def __init__(self, folder: Folder, name: str, arrays: Sequence[str], files: ExitStack) -> None:
        self._file = files.enter_context(folder.write(name))
        place = Path(files.enter_context(scratch_folder("export")))
        self._parts = {
            array: files.enter_context((place / str(number)).open("w+b"))
            for number, array in enumerate(arrays)
        }
        self.counts = dict.fromkeys(arrays, 0)

    def add(self, array: str, item: Mapping[str, Any]) -> None:
        """Append an item to an array."""
        self._parts[array].write(b",\n" if self.counts[array] else b"\n")
        self._parts[array].write(json.dumps(item).encode())
        self.counts[array] += 1

    def finish(self, **rest: Any) -> None:
        """Write the arrays one after the other, then other keys and values."""
        for number, (array, part) in enumerate(self._parts.items()):
            self._file.write(f"{',' if number else '{'}\n{json.dumps(array)}: [".encode())
            part.seek(0)
            shutil.copyfileobj(part, self._file)
            self._file.write(b"\n]")
        for key, value in rest.items():
            self._file.write(f",\n{json.dumps(key)}: {json.dumps(value)}".encode())
        self._file.write(b"\n}\n")
