"""The pack's README: how the models were made and what they achieve, from the measured figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from webbody.demo.train_models.engines import (
    FACE_CONFIDENCE,
    FACE_INPUT,
    PERSON_CONFIDENCE,
    PERSON_INPUT,
)
from webbody.demo.train_models.measure import PHOTOS

_FILES = {
    "persons": ("persons.pt", "YOLOv8-pose with an eighth of the channels, trained by ultralytics"),
    "faces": ("faces.onnx", "SCRFD-style detector with five landmarks, read by insightface"),
    "keypoints": (
        "keypoints.onnx",
        "SimCC network of 133 points, 19 of them trained, in RTMPose's form",
    ),
    "embedder": ("embedder.pt", "small KP-RPE vision transformer, the face embedder"),
}

_HEAD = """# The demo's models

Tiny models of the demo's synthetic web, in the file formats of the libraries that the pipeline
uses. They know drawn people only: for photos of real people, name real models instead.

Made by `python -m webbody.demo.train_models --out DIR`: photos are drawn by
`webbody.demo.drawing` (three quarters default world, one quarter stress world), all seeds are
fixed. `--fast` takes less than half the time. Arithmetic differs between machines, so weights
are not the same bytes elsewhere.

"""

_TAIL = f"""
"Trained" is wall time on one thread, drawing and measuring included. The detectors are measured on
{PHOTOS} photos a world that no training saw, the embedder on people that no training saw. Persons:
recall and precision at IoU 0.5. Faces: the same, searched in true upper bodies; landmark error in
units of the square root of the face box's area. Keypoints: share of visible points within 0.1 or
0.05 of the square root of the person box's area, in true boxes; precision and recall of "visible"
at the default `keypoints.min_score` (by point: docs/demo.md). Chain: faces searched where the
person detector sees heads, and keypoints in its boxes.

Settings: persons at {PERSON_INPUT} px with confidence {PERSON_CONFIDENCE}; faces at \
{FACE_INPUT} px per upper body with confidence {FACE_CONFIDENCE}.

persons.pt is a work of ultralytics' trainer and carries that library's licence, AGPL-3.0.
"""


def text(figures: dict[str, Any], pack: Path) -> str:
    """The README's text. figures: the contents of figures.json; pack: folder with the models."""
    lines = ["| file | MB | model | trained |", "| --- | --- | --- | --- |"]
    for name, (file, what) in _FILES.items():
        if name in figures:
            size = (pack / file).stat().st_size / 1e6
            lines.append(
                f"| {file} | {size:.1f} | {what} | {figures[name]['seconds'] / 60:.0f} min |"
            )
    lines += ["", "| model | measured on | figures |", "| --- | --- | --- |"]
    for name in (*_FILES, "chain"):
        for condition, values in figures.get(name, {}).items():
            if isinstance(values, dict):
                shown = ", ".join(f"{key} {value:g}" for key, value in values.items())
                lines.append(f"| {name} | {condition} | {shown} |")
    return _HEAD + "\n".join(lines) + "\n" + _TAIL
