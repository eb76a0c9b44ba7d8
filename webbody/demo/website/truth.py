"""The truth about the synthetic web as a table: what is behind each manifest row."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from webbody.demo.drawing.scene import DrawnPerson
from webbody.demo.website import kinds
from webbody.demo.website.files import File
from webbody.demo.website.pictures import can_be_recognised
from webbody.demo.website.plan import ManifestRow, WebPlan

_CLOSED_PORT = 1  # nobody listens there

_FLOATS = pa.list_(pa.float32())
FIGURE = pa.struct(
    [
        ("identity", pa.int64()),
        ("box", _FLOATS),  # xyxy, px of the upright image; all that was drawn, hidden or not
        ("visible", pa.float32()),  # share of the box's pixels that show the figure
        ("keypoints", _FLOATS),  # 19 x (x, y, flag): 2 visible, 1 hidden, 0 outside
        ("face_box", _FLOATS),  # null where the head is turned away
        ("landmarks", _FLOATS),  # 5 x (x, y), image-left eye first
        ("face_visible", pa.float32()),
        ("yaw", pa.float32()),  # radians, 0 towards the viewer
    ]
)
#: A row for each manifest row, in the manifest's order.
TRUTH = pa.schema(
    [
        ("row", pa.int64()),
        ("url", pa.string()),
        ("name", pa.string()),
        ("kind", pa.string()),  # right, wrong, repeated, bad
        ("scene", pa.string()),
        ("behaviour", pa.string()),  # `kinds.BEHAVIOURS`
        ("encoding", pa.string()),  # `kinds.ENCODINGS`
        ("expected", pa.string()),  # outcome, in the notation of `kinds`
        ("identity", pa.int64()),  # whom the name means
        ("shows", pa.bool_()),  # can be fetched and shows that person's face
        (
            "keep",
            pa.bool_(),
        ),  # should be in the data: shows, not leaked, no copy of an earlier image
        ("leak", pa.bool_()),  # the name means a validation person
        ("duplicate_of", pa.int64()),  # row with the same bytes
        ("near_duplicate_of", pa.int64()),  # row of which this is a slightly changed copy
        ("sha256", pa.string()),  # of the file
        ("width", pa.int32()),  # upright
        ("height", pa.int32()),
        ("figures", pa.list_(FIGURE)),
    ]
)


def truth_table(
    plan: WebPlan, written: dict[int, File], paths: dict[int, str], port: int
) -> pa.Table:
    """The table `TRUTH` of a web. paths: URL path of each item; port: of its server."""
    first: dict[int, int] = {}  # item -> its first row
    for index, row in enumerate(plan.rows):
        if row.item:
            first.setdefault(row.item.number, index)
    rows = [
        _truth_row(index, row, plan, first, written, paths, port)
        for index, row in enumerate(plan.rows)
    ]
    return pa.Table.from_pylist(rows, TRUTH)


def _truth_row(
    index: int,
    row: ManifestRow,
    plan: WebPlan,
    first: dict[int, int],
    written: dict[int, File],
    paths: dict[int, str],
    port: int,
) -> dict[str, Any]:
    item = row.item
    values = {
        "row": index,
        "url": row.url,
        "name": row.name,
        "kind": row.kind,
        "expected": row.expected,
    }
    if item is None:
        return {**values, "shows": False, "keep": False, "leak": False, "figures": []}
    file = written[item.number]
    leak = row.identity in plan.leaked
    reachable = row.expected == kinds.FETCHED
    drawn = item.encoding not in kinds.UNDRAWN
    shows = reachable and any(
        figure.identity == row.identity and can_be_recognised(figure) for figure in file.figures
    )
    source = None if item.copy_of is None else first[item.copy_of]
    closed = item.behaviour == "closed-port"
    return {
        **values,
        "url": f"http://127.0.0.1:{_CLOSED_PORT if closed else port}/{paths[item.number]}",
        "scene": item.scene,
        "behaviour": item.behaviour,
        "encoding": item.encoding,
        "identity": row.identity,
        "shows": shows,
        "keep": shows and not leak and source is None,
        "leak": leak,
        "duplicate_of": None if item.near else source,
        "near_duplicate_of": source if item.near else None,
        "sha256": file.sha256,
        "width": file.width if drawn else None,
        "height": file.height if drawn else None,
        "figures": [_figure(figure) for figure in file.figures] if drawn else [],
    }


def _figure(figure: DrawnPerson) -> dict[str, Any]:
    face = figure.face
    return {
        "identity": figure.identity,
        "box": figure.box.tolist(),
        "visible": figure.visible,
        "keypoints": figure.keypoints.ravel().tolist(),
        "face_box": face.box.tolist() if face else None,
        "landmarks": face.landmarks.ravel().tolist() if face else None,
        "face_visible": face.visible if face else None,
        "yaw": figure.yaw,
    }
