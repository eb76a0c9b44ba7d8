"""Crops of a build from a release: each photo compared with the published one, and cut."""

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model.prefetch import prefetch
from pipelines.base.photos import decoded_photo
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.identity.perceptual_hash import bits_apart, perceptual_hash
from pipelines.stages.persons import JPEG_QUALITY
from pipelines.stages.released.plan import area_of
from webbody.config import WORKER, RebuildSettings, WorkerResources
from webbody.decoders.pool import Decoders
from webbody.images import ImageError, encode_jpeg

#: States of a picture compared with the published one.
SAME, REENCODED, CHANGED = "same", "re-encoded", "changed"
#: Sides may differ by this much (a share) in a picture that was scaled.
_ASPECT = 0.02

SCHEMA = pa.schema(
    {
        "crop": pa.string(),
        "key": pa.string(),
        "outcome": pa.string(),
        "detail": pa.string(),
        "state": pa.string(),
        "bits": pa.int32(),
        "area": pa.list_(pa.int32()),
        "width": pa.int32(),
        "height": pa.int32(),
        "digest": pa.string(),
        "offset": pa.int64(),
        "length": pa.int64(),
    }
)


class Crops(Stage[RebuildSettings]):
    """Cuts each photo where the release says.

    A photo with the published bytes is `same`; another one whose perceptual hash is near and whose
    sides have the same proportion is `re-encoded`, its box scaled; any other is `changed`, and
    dropped or kept as the settings say. `bits` is how far the hashes are apart. Writes a tar of
    crops, as the persons stage does, and a row for each photo.
    """

    name = "crops"
    needs = ("plan", "download")
    version = 2  # photos whose restart markers are damaged are left out

    def __init__(self, settings: RebuildSettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self.decoders = Decoders(resources.threads)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        planned = {row["key"]: row for row in inputs.table("plan").to_pylist()}
        counts = {"in": 0, "out": 0}
        rows: list[dict[str, Any]] = []
        tar = outputs.tar()
        with ThreadPoolExecutor(self.resources.threads) as pool:
            jobs = ((planned[row["key"]], row, data) for row, data in _photos(inputs))
            for row, jpeg in prefetch(pool, lambda job: self._cut(*job), jobs, self._depth):
                counts["in"] += 1
                if jpeg is not None:
                    row["offset"], row["length"] = tar.add(f"{row['crop']}.jpg", jpeg)
                    row["digest"] = hashlib.blake2b(jpeg, digest_size=10).hexdigest()
                    counts["out"] += 1
                became = row["state"] or row["outcome"]
                counts[became] = counts.get(became, 0) + 1
                rows.append(row)
                outputs.tally.add(row["key"], row["outcome"])
        outputs.table(pa.Table.from_pylist(rows, schema=SCHEMA))
        return counts

    @property
    def _depth(self) -> int:
        return 2 * self.resources.threads

    def _cut(
        self, published: Mapping[str, Any], row: Mapping[str, Any], data: bytes
    ) -> tuple[dict[str, Any], bytes | None]:
        """The row of a photo, and its crop as JPEG if there is one."""
        out: dict[str, Any] = dict.fromkeys(SCHEMA.names)
        out |= {"key": row["key"], "crop": row["key"]}
        image = decoded_photo(row, data, self.decoders)
        if isinstance(image, ImageError):
            return out | {"outcome": image.outcome, "detail": image.detail}, None
        state, bits = self._compared(published, row["sha256"], image)
        out |= {"state": state, "bits": bits}
        area = published["area"]
        if image.shape[:2] != (published["height"], published["width"]):
            sides = np.array([published["width"], published["height"]] * 2)
            height, width = image.shape[:2]
            area = area_of((np.array(area) / sides).tolist(), width, height)
        if area is None or (state == CHANGED and self.settings.on_changed == "drop"):
            return out | {"outcome": "release:changed"}, None
        left, top, right, bottom = area
        crop = image[top:bottom, left:right]
        out |= {"area": area, "width": right - left, "height": bottom - top}
        return out, encode_jpeg(crop, JPEG_QUALITY)

    def _compared(
        self, published: Mapping[str, Any], sha256: str, image: NDArray[np.uint8]
    ) -> tuple[str, int]:
        """What became of a photo, and how many bits its perceptual hash is away."""
        height, width = image.shape[:2]
        if sha256 == published["sha256"] and (width, height) == (
            published["width"],
            published["height"],
        ):
            return SAME, 0
        pair = (
            np.array([value], np.int64) for value in (perceptual_hash(image), published["phash"])
        )
        bits = int(bits_apart(*pair)[0, 0])
        stretched = width * published["height"] / (height * published["width"])
        alike = bits <= self.settings.near and abs(stretched - 1) <= _ASPECT
        return (REENCODED if alike else CHANGED), bits


def _photos(inputs: Inputs) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The rows of the downloaded photos and their bytes, in the order of the table."""
    good = [row for row in inputs.table("download").to_pylist() if row["outcome"] is None]
    if not good:
        return
    with inputs.random_access("download") as tar:
        for row in good:
            yield row, tar.read(row["offset"], row["length"])
