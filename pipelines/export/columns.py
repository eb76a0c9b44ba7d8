"""Samples as the columns of a table, named as in a release where it has the same."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipelines.export.samples import PackedPicture
from pipelines.export.writer import ExportContent
from webbody import skeleton

_BOX = pa.list_(pa.float32(), 4)
_POINTS = pa.list_(pa.list_(pa.float32(), 3), skeleton.COUNT)
#: What the columns hold, in words.
MEANINGS = {
    "key": "what the sample is called",
    "person": "a number for the person, which says nothing else",
    "split": "train, validation or test",
    "sha256": "of the original picture's bytes",
    "width": "of the original picture, in pixels",
    "height": "of the original picture, in pixels",
    "box": "the part of the original that was packed: left, top, right, bottom as fractions",
    "picture_box": "where that part lies on the white square: left, top, right, bottom in pixels",
    "keypoints": f"{skeleton.COUNT} x (x, y, visibility) in pixels of the packed picture: "
    f"{', '.join(name.replace('_', ' ') for name in skeleton.NAMES)}; left and right are the "
    "subject's; absent points are 0, 0, 0",
    "boxes": "everybody's left, top, right, bottom in pixels of the packed picture",
    "scores": "of the boxes, 0 to 1",
    "url": "where the picture was found",
    "names": "under which the person was looked for",
}


def schema_of(content: ExportContent) -> pa.Schema:
    """The columns of an export's tables, but for the pictures."""
    columns = [("key", pa.string())]
    if content.has_people:
        columns.append(("person", pa.int64()))
    columns += [("split", pa.string()), ("sha256", pa.string())]
    columns += [("width", pa.int32()), ("height", pa.int32())]
    if content.has_people:
        columns += [("box", _BOX), ("picture_box", _BOX), ("keypoints", _POINTS)]
    else:
        columns += [("boxes", pa.list_(_BOX)), ("scores", pa.list_(pa.float32()))]
    if content.with_names:
        columns += [("url", pa.string()), ("names", pa.list_(pa.string()))]
    return pa.schema(columns)


def table_of(samples: Sequence[PackedPicture], schema: pa.Schema) -> pa.Table:
    """The samples' rows of `schema`."""
    return pa.table(
        [pa.array([_value(one, name) for one in samples], schema.field(name).type)
         for name in schema.names],
        schema,
    )  # fmt: skip


def _value(sample: PackedPicture, name: str) -> Any:
    if name == "box":
        return sample.crop
    if name == "picture_box":
        return sample.boxes[0]
    if name == "keypoints":
        return None if sample.keypoints is None else sample.keypoints.tolist()
    return getattr(sample, name)
