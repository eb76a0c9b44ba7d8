"""What writes samples in a format."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from pipelines.export.samples import PackedPicture
from webbody.storage import Folder


@dataclass(frozen=True)
class ExportContent:
    """What an export has: shards by split; whether samples have people, and names and URLs.

    with_images: whether a table holds the pictures' bytes where that is a choice.
    """

    splits: Mapping[str, Sequence[str]]
    has_people: bool
    with_names: bool
    with_images: bool = False


class SampleWriter(ABC):
    """Writes samples into a folder one by one, then what stands behind the last one.

    Args:
        folder: Where it writes.
        content: What there is to write.
        files: Closes, or drops, the files that are open when the export ends.
    """

    #: Whether each picture is a file of its own.
    has_files: ClassVar[bool] = True
    #: Whether every sample must have a person.
    needs_people: ClassVar[bool] = False

    def __init__(self, folder: Folder, content: ExportContent, files: ExitStack) -> None:
        self.folder, self.content, self.files = folder, content, files

    def picture_name(self, sample: PackedPicture) -> str:
        """The file of a picture below the export's folder."""
        return f"{sample.split}/{sample.shard}/{sample.key}.jpg"

    @abstractmethod
    def add(self, sample: PackedPicture) -> None:
        """Add a sample, whose picture is a file already where it is to be one."""

    @abstractmethod
    def finish(self) -> None:
        """Write what is left to write when all samples are there."""
