"""Labelled pictures, and the report on their sources."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import fsspec

from webbody.images import MAX_PIXELS, RGB, ImageError, decode
from webbody.plain_text import plain_text


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture (a path or an fsspec URL), and who it shows."""

    path: str
    identity: str


@dataclass
class Source:
    """Counts of one source.

    layout: how it was read. single: people with one picture. left_out: skipped files and links by
    reason; unreadable pictures are added on decoding. warnings: sentences about likely mistakes.
    """

    name: str
    layout: str
    people: int = 0
    pictures: int = 0
    single: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """The counts in one line."""
        line = (
            f"{plain_text(self.name)}: layout {self.layout}, {self.people:,} people, "
            f"{self.pictures:,} pictures"
        )
        if self.single:
            line += f", {self.single:,} of the people with one"
        if self.left_out:
            line += "; left out: " + ", ".join(
                f"{count:,} {reason}" for reason, count in sorted(self.left_out.items())
            )
        return line


@dataclass(frozen=True)
class Sources:
    """The pictures of all sources, sorted by identity and path, and the counts of each source.

    of: the source of each picture. warnings: of the sources together.
    """

    pictures: list[LabelledPicture]
    of: list[Source]
    sources: list[Source]
    warnings: list[str]

    def decoded(self) -> Iterator[tuple[str, RGB]]:
        """Identity and pixels of each picture; unreadable ones are counted by their source."""
        for picture, source in zip(self.pictures, self.of, strict=True):
            try:
                pixels = decode(content(picture.path), MAX_PIXELS)
            except ImageError as error:
                source.left_out[error.outcome] += 1
            except OSError as error:
                source.left_out[f"not readable ({error.strerror or type(error).__name__})"] += 1
            else:
                yield picture.identity, pixels

    def report_lines(self) -> Iterator[str]:
        """The counts of each source, and all warnings, a line each."""
        for source in self.sources:
            yield str(source)
        for source in self.sources:
            for warning in source.warnings:
                yield f"warning: {plain_text(source.name)}: {warning}"
        for warning in self.warnings:
            yield f"warning: {warning}"


def content(path: str) -> bytes:
    """The bytes of a file, given by path or URL."""
    if "://" not in path:
        return Path(path).read_bytes()
    with fsspec.open(path, "rb") as file:
        data: bytes = file.read()
        return data
