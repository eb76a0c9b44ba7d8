"""Pictures out of a build's tars, by their place: single members are read, none is unpacked."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.inspection.report.drawing import Drawing, around, decoded
from pipelines.viewer.index.viewed import ViewedBuild
from webbody.decoders.pool import Decoders
from webbody.errors import WebbodyError
from webbody.images import RGB, ImageError, encode_jpeg
from webbody.shards import read_scattered

#: Stages whose tars hold pictures; those of downloads are strangers' own files.
STAGES = ("download", "persons", "crops", "pack")
#: Thumbnails in memory, in bytes of JPEG.
_CACHE = 96 << 20
#: Larger members are not read for a picture, and larger pictures not decoded.
_MOST_BYTES, _MOST_PIXELS = 64 << 20, 100_000_000
_QUALITY = 82
#: Pictures that are decoded at a time.
_AT_ONCE = 2


@dataclass(frozen=True)
class Place:
    """Where a picture lies: stage and shard, offset and length in its tar."""

    stage: str
    shard: str
    offset: int
    length: int


class Pictures:
    """Reads, decodes and scales pictures; keeps thumbnails. May be called by any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._room = threading.Semaphore(_AT_ONCE)
        self._decoders = Decoders(_AT_ONCE)  # a process starts with the first picture

    def thumbnail(
        self, viewed: ViewedBuild, place: Place, side: int, face: Sequence[float] | None = None
    ) -> bytes | None:
        """A JPEG that fits a square of `side`; of a face (xyxy) with its surroundings."""
        key = (self._tar_digest(viewed, place), place, side, tuple(face or ()))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        rgb = self.pixels(viewed, place)
        if rgb is None:
            return None
        region = around(face, 0.25) if face else None
        data = encode_jpeg(Drawing(rgb, side, region).pixels, _QUALITY, "4:2:0")
        self._keep(key, data)
        return data

    def drawn(self, viewed: ViewedBuild, place: Place, draw: Callable[[RGB], RGB]) -> bytes | None:
        """A JPEG of what `draw` makes of the pixels."""
        rgb = self.pixels(viewed, place)
        return None if rgb is None else encode_jpeg(draw(rgb), _QUALITY, "4:2:0")

    def pixels(self, viewed: ViewedBuild, place: Place) -> RGB | None:
        """The decoded picture; None where it is not there, or cannot be read."""
        data = self.data(viewed, place)
        if data is None:
            return None
        with self._room:
            if place.stage != "download":
                return decoded(data)
            try:
                return self._decoders.decode(data, _MOST_PIXELS)
            except (ImageError, WebbodyError):
                return None

    def data(self, viewed: ViewedBuild, place: Place) -> bytes | None:
        """The bytes of a member; None where they are not there."""
        if not place.offset >= 0 or not 0 < place.length <= _MOST_BYTES:
            return None
        if place.stage not in STAGES or viewed.has_images(place.stage, place.shard):
            return None
        where = (f"{place.stage}/{place.shard}.tar", place.offset, place.length)
        try:
            return next(iter(read_scattered(viewed.build.folder, [where])))
        except (OSError, WebbodyError):  # lost, or cut off
            return None

    def _tar_digest(self, viewed: ViewedBuild, place: Place) -> str:
        record = viewed.build.record(place.stage, place.shard)
        output = record.outputs.get(f"{place.shard}.tar") if record else None
        return output.sha256 if output else ""

    def _keep(self, key: object, data: bytes) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = data
                self._bytes += len(data)
            while self._bytes > _CACHE:
                self._bytes -= len(self._kept.popitem(last=False)[1])
