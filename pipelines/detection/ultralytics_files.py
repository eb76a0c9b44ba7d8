"""Metadata of ultralytics' models: task, class names, layout of the keypoints."""

import ast
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.detection.onnx_graph import read_graph
from webbody.errors import WebbodyError
from webbody.json_text import parse_json


@dataclass(frozen=True)
class Export:
    """Metadata of an ultralytics model.

    task: detect, pose ...; names: of the classes by number; layout: points and numbers of each
    (17, 3), None without keypoints. fixed, batch: height and width, and photos in one run, of an
    export that takes no others.
    """

    task: str
    names: dict[int, str]
    layout: tuple[int, ...] | None
    fixed: tuple[int, ...] | None = None
    batch: int = 1


def ultralytics_export(path: Path) -> Export | None:
    """The metadata of a file that ultralytics exported; None for other files."""
    try:
        metadata = _metadata(path)
        names = {int(number): str(name) for number, name in metadata["names"].items()}
        layout = metadata.get("kpt_shape")
        fixed = None if metadata.get("dynamic") else tuple(metadata["imgsz"])
        batch = int(metadata.get("batch", 1))
        return Export(metadata["task"], names, tuple(layout) if layout else None, fixed, batch)
    except (KeyError, ValueError, TypeError, AttributeError, SyntaxError, zipfile.BadZipFile):
        return None


def _metadata(path: Path) -> dict[str, Any]:
    """The metadata of an export; its values may be text or already parsed."""
    if path.suffix == ".onnx":
        metadata: dict[str, Any] = dict(read_graph(path).metadata)
    elif path.suffix == ".torchscript":
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in [*archive.namelist(), ""] if n.endswith("config.txt") or not n)
            metadata = parse_json(archive.read(name))
    else:  # .engine: the length of a JSON text, the text, the engine
        with path.open("rb") as file:
            metadata = parse_json(file.read(int.from_bytes(file.read(4), "little")))
    for key in ("names", "kpt_shape", "imgsz", "batch", "dynamic", "args"):
        if isinstance(metadata.get(key), str):
            metadata[key] = ast.literal_eval(metadata[key])
    if isinstance(metadata.get("args"), dict):
        metadata.setdefault("dynamic", metadata["args"].get("dynamic"))
    return metadata


def person_class(path: Path, export: Export) -> int:
    """The class number of persons; WebbodyError if the model does not detect them."""
    found = [number for number, name in export.names.items() if name.lower() == "person"]
    if not found:
        some = ", ".join(list(export.names.values())[:5])
        raise WebbodyError(
            f"{path}: knows no class named person (but {some} ...); choose a model that finds "
            "persons, such as yolov8n-pose.pt."
        )
    layout = None if export.layout is None else tuple(export.layout)
    if export.task not in ("detect", "pose") or layout not in (None, (17, 3)):
        raise WebbodyError(
            f"{path}: is a {export.task} model with keypoints {layout}, neither a detector nor one "
            "with COCO's (17, 3); choose a model for persons, such as yolov8n-pose.pt."
        )
    return found[0]
