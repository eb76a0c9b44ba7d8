"""The image folder of torchvision and others: `train/PERSON/KEY.jpg`."""

import json
from contextlib import ExitStack
from typing import IO

from pipelines.export.samples import PackedPicture
from pipelines.export.writer import ExportContent, SampleWriter
from webbody.storage import Folder

NAMES = "names.jsonl"


class ImageFolderWriter(SampleWriter):
    """A folder for each split and in it one for each person, called by the person's number.

    With names, a line of `names.jsonl` says of each sample where it was found, and under which
    names its person was looked for.
    """

    needs_people = True

    def __init__(self, folder: Folder, content: ExportContent, files: ExitStack) -> None:
        super().__init__(folder, content, files)
        self._names: IO[bytes] | None = None
        if content.with_names:
            self._names = files.enter_context(folder.write(NAMES))

    def picture_name(self, sample: PackedPicture) -> str:
        return f"{sample.split}/{sample.person}/{sample.key}.jpg"

    def add(self, sample: PackedPicture) -> None:
        if self._names is not None:
            told = {"file": self.picture_name(sample), "url": sample.url, "names": sample.names}
            self._names.write(json.dumps(told).encode() + b"\n")

    def finish(self) -> None:
        """Every file is there already."""
