"""Framing, view and scale of people in samples, from keypoints and boxes."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webbody import skeleton
from webbody.releases.figures import PIXELS, classes

#: Framings from the most to the least complete: name, and points of which one must be visible.
FRAMINGS = (
    ("full body", ("left_ankle", "right_ankle")),
    ("to the knees", ("left_knee", "right_knee")),
    ("half body", ("left_hip", "right_hip")),
    ("to the arms", ("left_elbow", "right_elbow", "left_wrist", "right_wrist")),
    ("head and shoulders", ("left_shoulder", "right_shoulder")),
    ("head", ("nose", "left_eye", "right_eye", "left_mouth", "right_mouth", "left_ear",
              "right_ear")),
)  # fmt: skip
NOTHING = "no keypoint"
#: Views by the visible eyes.
VIEWS = ("both eyes", "one eye", "no eye")
#: Lower ends of the classes of the person's height, in percent of the picture's.
PERCENT = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)


class BodyFigures:
    """Counts samples as they come, in tables with keypoints, box, width and height."""

    def __init__(self) -> None:
        self._framing = np.zeros(len(FRAMINGS) + 1, np.int64)
        self._views = np.zeros(len(VIEWS), np.int64)
        self._scale: list[NDArray[np.float64]] = []
        self._sides: list[NDArray[np.int64]] = []

    def add(self, table: pa.Table) -> None:
        """Count rows; box: xyxy in fractions of the picture of width x height pixels."""
        points = _values(table["keypoints"], 3 * skeleton.COUNT)
        seen = points.reshape(-1, skeleton.COUNT, 3)[..., 2] > 0
        self._framing += np.bincount(framing(seen), minlength=len(FRAMINGS) + 1)
        eyes = [skeleton.NAMES.index(name) for name in ("left_eye", "right_eye")]
        self._views += np.bincount(2 - seen[:, eyes].sum(1), minlength=len(VIEWS))
        boxes = _values(table["box"], 4)
        sides = boxes[:, 2:] - boxes[:, :2]
        self._scale.append(100 * sides[:, 1])
        pixels = sides * np.stack([table["width"].to_numpy(), table["height"].to_numpy()], 1)
        self._sides.append(np.rint(pixels.max(1, initial=0)).astype(np.int64))

    def to_json(self) -> dict[str, Any]:
        """All figures, ready for JSON."""
        scale = np.concatenate([np.zeros(0), *self._scale])
        sides = np.concatenate([np.zeros(0, np.int64), *self._sides])
        names = [*(name for name, _ in FRAMINGS), NOTHING]
        return {
            "framing": dict(zip(names, self._framing.tolist(), strict=True)),
            "view": dict(zip(VIEWS, self._views.tolist(), strict=True)),
            "scale": {
                "samples": classes(np.floor(scale + 1e-6), PERCENT),
                "median": round(float(np.median(scale)), 1) if len(scale) else 0.0,
            },
            "crop_side": {
                "samples": classes(sides, PIXELS),
                "median": float(np.median(sides)) if len(sides) else 0.0,
            },
        }


def framing(seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The place in FRAMINGS of each sample (N,) whose points (N, 19) are seen; its length: none."""
    shown = [
        seen[:, [skeleton.NAMES.index(name) for name in names]].any(1) for _, names in FRAMINGS
    ]
    shown.append(np.ones(len(seen), bool))
    return np.asarray(np.argmax(np.stack(shown, 1), 1), np.int64)


def _values(column: pa.ChunkedArray, width: int) -> NDArray[np.float64]:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(-1, width), np.float64)
