"""The quality stage of a build of whole photos: which of them are worth learning from."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from model.prefetch import prefetch
from pipelines.base.photos import DownloadedPhoto, read_photos
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.quality.text_overlay import text_share
from pipelines.quality.texture import texture
from webbody.config import WORKER, QualitySettings, WorkerResources
from webbody.decoders.pool import Decoders
from webbody.images import RGB, ImageError
from webbody.sample_keys import packed_key

#: A row of each photo that shows somebody. score and side: the best score of its persons; the
#: longest side (pixels) of those with a score above `min_score`. text and texture: as measured,
#: null where not asked for, or where another reason came first. sample: the key of what is packed.
SCHEMA = pa.schema(
    {
        "key": pa.string(),
        "outcome": pa.string(),
        "detail": pa.string(),
        "score": pa.float32(),
        "side": pa.float32(),
        "text": pa.float32(),
        "texture": pa.float32(),
        "sample": pa.string(),
    }
)

#: What a filter's row has of all persons of a photo, and the column of each.
_OF_PERSONS = {"boxes": "box", "scores": "score"}


class Quality(Stage[QualitySettings]):
    """Keeps photos with a person who is certain and large, without text over them, not drawn.

    The first reason counts: `quality:low-score`, `quality:too-small`, the user's own filters,
    `quality:text`, `quality:drawing`. Only photos that pass the first two are decoded.
    """

    name = "quality"
    needs = ("download", "persons")

    def __init__(self, settings: QualitySettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self.decoders = Decoders(resources.threads)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        persons: dict[str, list[dict[str, Any]]] = defaultdict(list)
        columns = ["key", "outcome", "box", "score"]
        for person in inputs.table("persons", columns=columns).to_pylist():
            if person["outcome"] is None:
                persons[person["key"]].append(person)
        rows = {key: self._by_persons(key, them) for key, them in persons.items()}
        large = {key for key, row in rows.items() if row["outcome"] is None}
        with ThreadPoolExecutor(self.resources.threads) as pool:
            ahead = 2 * self.resources.threads
            photos = read_photos(inputs, pool, self.decoders, ahead, large)
            passing = self._passing(photos, persons)
            for key, seen in prefetch(
                pool, lambda p: (p.key, self._seen(p, persons[p.key])), passing, ahead
            ):
                rows[key] |= seen
        for key, row in rows.items():
            outputs.tally.add(key, row["outcome"])
        outputs.table(pa.Table.from_pylist(list(rows.values()), SCHEMA))
        return {"in": len(rows), "out": sum(row["outcome"] is None for row in rows.values())}

    def _by_persons(self, key: str, persons: list[dict[str, Any]]) -> dict[str, Any]:
        """The row of a photo, as far as its persons decide."""
        certain = [one for one in persons if one["score"] > self.settings.min_score]
        side = max((longer_side(one["box"]) for one in certain), default=None)
        outcome = None
        if side is None:
            outcome = "quality:low-score"
        elif side <= self.settings.min_side:
            outcome = "quality:too-small"
        score = max(one["score"] for one in persons)
        return {"key": key, "outcome": outcome, "score": score, "side": side}

    def _passing(
        self, photos: Iterator[DownloadedPhoto], persons: Mapping[str, list[dict[str, Any]]]
    ) -> Iterator[DownloadedPhoto]:
        """Run the user's filters, one photo after the other; dropped ones lose their pixels."""
        for photo in photos:
            if not isinstance(photo.image, ImageError):
                them = persons[photo.key]
                more = {name: [one[one_of] for one in them] for name, one_of in _OF_PERSONS.items()}
                photo.image = self.filters(photo.image, photo.row | more) or photo.image
            yield photo

    def _seen(self, photo: DownloadedPhoto, persons: list[dict[str, Any]]) -> dict[str, Any]:
        """What the pixels of a photo add to its row."""
        if isinstance(photo.image, ImageError):
            return {"outcome": photo.image.outcome, "detail": photo.image.detail}
        found: dict[str, Any] = {}
        most, least = self.settings.max_text, self.settings.min_texture
        if most is not None:
            found["text"] = text_share(photo.image)
            if found["text"] > most:
                return found | {"outcome": "quality:text"}
        if least is not None:
            found["texture"] = texture(_inside(photo.image, persons[0]["box"]))  # the largest
            if found["texture"] < least:
                return found | {"outcome": "quality:drawing"}
        height, width = photo.image.shape[:2]
        return found | {"sample": packed_key(photo.row["url"], (0, 0, width, height))}


def longer_side(box: Iterable[float]) -> float:
    """Of a box xyxy."""
    left, top, right, bottom = box
    return max(right - left, bottom - top)


def _inside(image: RGB, box: Iterable[float]) -> RGB:
    """What a box holds, a pixel at least."""
    height, width = image.shape[:2]
    left, top, right, bottom = np.rint(np.array(list(box))).astype(int).tolist()
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]
