"""The pack stage of a build of whole photos: each resized whole, with everybody's boxes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from PIL import Image

from pipelines.base.photos import decoded_photo
from pipelines.base.stage import Inputs
from pipelines.stages.pack import SCHEMA as SAMPLES
from pipelines.stages.pack import PackedSample, SamplePack
from webbody.config import WORKER, PhotosSettings, WorkerResources
from webbody.decoders.pool import Decoders
from webbody.errors import WebbodyError
from webbody.images import RGB, ImageError, encode_jpeg
from webbody.shards import read_scattered


class PhotoPack(SamplePack[PhotosSettings]):
    """Packs whole photos, resized to one size whatever their shape.

    A sample has the members `<key>.jpg` and `<key>.json` (see `photo_json`).
    """

    window: ClassVar[int] = 256  # whole photos are large
    index: ClassVar[pa.Schema] = pa.schema([field for field in SAMPLES if field.name != "person"])

    def __init__(self, settings: PhotosSettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self.decoders = Decoders(resources.threads)

    def read(self, rows: list[dict[str, Any]], inputs: Inputs) -> Iterator[bytes]:
        places = [(f"{row['source']}.tar", row["offset"], row["length"]) for row in rows]
        return read_scattered(inputs.folder, places)

    def sample(self, row: Mapping[str, Any], data: bytes) -> PackedSample:
        image = decoded_photo(row, data, self.decoders)
        if isinstance(image, ImageError):
            raise WebbodyError(
                f"{row['source']}.tar: {row['key']} could be decoded before and cannot now "
                f"({image.outcome}); run the build again."
            )
        width, height = self.settings.size
        return PackedSample(
            encode_jpeg(resized(image, width, height), self.settings.quality),
            photo_json(row, width, height),
        )


def resized(image: RGB, width: int, height: int) -> RGB:
    """A photo (H, W, 3) squeezed or stretched to a size; bicubic, with antialiasing."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def photo_json(row: Mapping[str, Any], width: int, height: int) -> bytes:
    """The sample's description, of a photo packed in this size.

    width, height: of the upright original. boxes: xyxy of everybody whom the detector trusts, in
    pixels of the packed picture, the largest first; scores: of the boxes, 0 to 1.
    """
    scale = np.array([width / row["width"], height / row["height"]] * 2)
    boxes = np.array(row["boxes"], float).reshape(-1, 4) * scale
    sample = {
        "key": row["sample"],
        "split": row["split"],
        "url": row["url"],
        "sha256": row["sha256"],
        "width": row["width"],
        "height": row["height"],
        "boxes": [[round(float(value), 2) for value in box] for box in boxes],
        "scores": [round(float(score), 4) for score in row["scores"]],
    }
    return json.dumps(sample, ensure_ascii=False, separators=(",", ":")).encode()
