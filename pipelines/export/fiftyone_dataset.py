"""A FiftyOneDataset on disk: samples with the person, the boxes and the keypoints as labels."""

import hashlib
import json
from contextlib import ExitStack
from typing import Any

from pipelines.export.fiftyone_fields import VERSION, sample_fields
from pipelines.export.json_arrays import JsonArrays
from pipelines.export.samples import PackedPicture
from pipelines.export.writer import ExportContent, SampleWriter
from webbody import skeleton
from webbody.storage import Folder

SAMPLES, METADATA = "samples.json", "metadata.json"
_NAME = "webbody"
#: How FiftyOne's JSON has a number that is none, which is the place of an absent point.
_ABSENT = [{"$numberDouble": "NaN"}] * 2


class FiftyOneWriter(SampleWriter):
    """`samples.json`, `metadata.json`, and the pictures below `data/`.

    The person is a classification called by the person's number, the split a tag. Ids follow from
    the samples' keys, so that equal builds give equal files.
    """

    def __init__(self, folder: Folder, content: ExportContent, files: ExitStack) -> None:
        super().__init__(folder, content, files)
        self._samples = JsonArrays(folder, SAMPLES, ("samples",), files)

    def picture_name(self, sample: PackedPicture) -> str:
        return f"data/{sample.shard}/{sample.key}.jpg"

    def add(self, sample: PackedPicture) -> None:
        width, height = sample.size
        told: dict[str, Any] = {
            "_id": _id(sample.key, "sample"),
            "filepath": self.picture_name(sample),
            "tags": [sample.split],
            "_media_type": "image",
            "_rand": int(_digest(sample.key, "order"), 16) / 16**24,
            "metadata": {
                "_cls": "ImageMetadata", "size_bytes": len(sample.picture), "width": width,
                "mime_type": "image/jpeg", "height": height, "num_channels": 3,
            },
            "key": sample.key,
            "boxes": {"_cls": "Detections", "detections": _detections(sample)},
        }  # fmt: skip
        if sample.person is not None:
            person = {"_id": _id(sample.key, "person"), "_cls": "Classification", "tags": []}
            told["person"] = person | {"label": str(sample.person)}
        if sample.keypoints is not None:
            told["keypoints"] = {"_cls": "Keypoints", "keypoints": [_points(sample)]}
        if self.content.with_names:
            told |= {"url": sample.url, "names": list(sample.names)}
        self._samples.add("samples", told)

    def finish(self) -> None:
        self._samples.finish()
        edges = [list(edge) for edge in skeleton.EDGES]
        people = self.content.has_people
        about = {
            "name": _NAME,
            "version": VERSION,
            "media_type": "image",
            "sample_fields": sample_fields(people, self.content.with_names),
            "default_skeleton": {"labels": list(skeleton.NAMES), "edges": edges}
            if people
            else None,
        }
        self.folder.write_bytes(METADATA, json.dumps(about, indent=1).encode())


def _detections(sample: PackedPicture) -> list[dict[str, Any]]:
    """The boxes: left, top, width, height in fractions of the picture."""
    width, height = sample.size
    found = []
    for number, (left, top, right, bottom) in enumerate(sample.boxes):
        box = [left / width, top / height, (right - left) / width, (bottom - top) / height]
        one: dict[str, Any] = {
            "_id": _id(sample.key, f"box {number}"), "_cls": "Detection", "attributes": {},
            "tags": [], "label": "person" if sample.person is None else str(sample.person),
            "bounding_box": [round(side, 6) for side in box],
        }  # fmt: skip
        found.append(one | ({"confidence": sample.scores[number]} if sample.scores else {}))
    return found


def _points(sample: PackedPicture) -> dict[str, Any]:
    """The keypoints in fractions of the picture; absent ones are no numbers, with confidence 0."""
    assert sample.keypoints is not None
    width, height = sample.size
    rows = sample.keypoints.tolist()
    return {
        "_id": _id(sample.key, "keypoints"), "_cls": "Keypoint", "attributes": {}, "tags": [],
        "label": "person",
        "points": [
            [round(x / width, 6), round(y / height, 6)] if seen > 0 else _ABSENT
            for x, y, seen in rows
        ],
        "confidence": [round(seen, 4) for _, _, seen in rows],
    }  # fmt: skip


def _id(key: str, what: str) -> dict[str, str]:
    return {"$oid": _digest(key, what)}


def _digest(key: str, what: str) -> str:
    """24 hex digits, as an id of MongoDB has."""
    return hashlib.blake2b(f"{key} {what}".encode(), digest_size=12).hexdigest()
