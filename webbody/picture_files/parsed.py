"""What a format's own header reader hands on to the decoder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parsed:
    """A file's header, read without a decoder.

    width, height: pixels as stored, 0 where the decoder has to say. spans: the parts (start, end)
    of the file that decide about pixels; None stands for the whole. orientation: the EXIF value
    1..8 that makes the picture upright. profile: the ICC profile, in which the samples are meant,
    None for sRGB. plain: see `Header`.
    """

    width: int = 0
    height: int = 0
    spans: tuple[tuple[int, int], ...] | None = None
    orientation: int = 1
    profile: bytes | None = None
    plain: bool = False

    def body(self, data: bytes) -> bytes:
        """What the decoder gets."""
        if self.spans is None:
            return data
        view = memoryview(data)
        return b"".join(view[start:end] for start, end in self.spans)
