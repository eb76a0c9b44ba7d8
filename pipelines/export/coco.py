"""COCO's JSON: images, people with boxes and keypoints, the skeleton."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

import numpy as np

from pipelines.export.json_arrays import JsonArrays
from pipelines.export.samples import Box, PackedPicture
from pipelines.export.writer import ExportContent, SampleWriter
from webbody import __version__, skeleton
from webbody.storage import Folder

#: COCO's category of people.
PERSON = 1
#: COCO's visibility of a point: labelled and seen.
_SEEN = 2


class CocoWriter(SampleWriter):
    """`annotations/SPLIT.json`, and the pictures in a folder for each split, a shard in each.

    An annotation has the usual keys, and `person`, the person's number. Its box is where the crop
    of the person lies on the picture.
    """

    #: Where the JSON of a split lies, and where its pictures.
    place: ClassVar[str] = "annotations/{}.json"
    pictures: ClassVar[str] = "{}"

    def __init__(self, folder: Folder, content: ExportContent, files: ExitStack) -> None:
        super().__init__(folder, content, files)
        self._splits = {
            split: JsonArrays(folder, self.place.format(split), ("images", "annotations"), files)
            for split in content.splits
        }

    def picture_name(self, sample: PackedPicture) -> str:
        return f"{self.pictures.format(sample.split)}/{_file_name(sample)}"

    def add(self, sample: PackedPicture) -> None:
        out = self._splits[sample.split]
        number = out.counts["images"] + 1
        width, height = sample.size
        image: dict[str, Any] = {
            "id": number, "file_name": _file_name(sample), "width": width, "height": height,
            "key": sample.key,
        }  # fmt: skip
        if self.content.with_names:
            image |= {"coco_url": sample.url, "names": list(sample.names)}
        out.add("images", image)
        for at, box in enumerate(sample.boxes):
            annotation = {"id": out.counts["annotations"] + 1, "image_id": number}
            out.add("annotations", annotation | self.annotation(sample, at, box))

    def annotation(self, sample: PackedPicture, at: int, box: Box) -> dict[str, Any]:
        """What an annotation says but for its ids; `at`: the number of the box in the picture."""
        told: dict[str, Any] = {"category_id": PERSON, **boxed(box), "iscrowd": 0}
        if sample.scores:
            told["score"] = sample.scores[at]
        if sample.keypoints is not None:
            seen = sample.keypoints[:, 2] > 0
            points = np.where(seen[:, None], sample.keypoints, 0)
            told["keypoints"] = [
                value
                for (x, y, _), yes in zip(points.tolist(), seen.tolist(), strict=True)
                for value in (round(x, 2), round(y, 2), _SEEN if yes else 0)
            ]
            told["num_keypoints"] = int(seen.sum())
        if sample.person is not None:
            told["person"] = sample.person
        return told

    def categories(self) -> list[Mapping[str, Any]]:
        """The categories of the annotations."""
        keypoints = {
            "keypoints": list(skeleton.NAMES),
            "skeleton": [[first + 1, second + 1] for first, second in skeleton.EDGES],
        }
        named = {"id": PERSON, "name": "person", "supercategory": "person"}
        return [named | (keypoints if self.content.has_people else {})]

    def finish(self) -> None:
        for out in self._splits.values():
            out.finish(
                info={"description": f"exported by webbody {__version__}"},
                licenses=[],
                categories=self.categories(),
            )


def boxed(box: Box) -> dict[str, Any]:
    """A box as COCO has it: left, top, width, height; and its area."""
    left, top, right, bottom = (round(side, 2) for side in box)
    width, height = round(right - left, 2), round(bottom - top, 2)
    return {"bbox": [left, top, width, height], "area": round(width * height, 2)}


def _file_name(sample: PackedPicture) -> str:
    return f"{sample.shard}/{sample.key}.jpg"
