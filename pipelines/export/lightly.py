"""What LightlyStudio reads: COCO's JSON of boxes, with the person as the box's class."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from pipelines.export.coco import CocoWriter, boxed
from pipelines.export.samples import Box, PackedPicture
from pipelines.export.writer import ExportContent
from webbody.storage import Folder


class LightlyWriter(CocoWriter):
    """`SPLIT.json` for `add_samples_from_coco`, and the pictures in `images/SPLIT`.

    LightlyStudio reads boxes and classes of COCO's JSON, no keypoints, and finds pictures by their
    classes: so each person is a class of its own, called by the person's number.
    """

    place = "{}.json"
    pictures = "images/{}"

    def __init__(self, folder: Folder, content: ExportContent, files: ExitStack) -> None:
        super().__init__(folder, content, files)
        self._classes: dict[str, int] = {}

    def annotation(self, sample: PackedPicture, at: int, box: Box) -> dict[str, Any]:
        label = "person" if sample.person is None else str(sample.person)
        number = self._classes.setdefault(label, len(self._classes) + 1)
        told: dict[str, Any] = {"category_id": number, **boxed(box), "iscrowd": 0}
        return told | ({"score": sample.scores[at]} if sample.scores else {})

    def categories(self) -> list[Mapping[str, Any]]:
        return [
            {"id": number, "name": label, "supercategory": "person"}
            for label, number in self._classes.items()
        ]
