"""The figures of a release that need its build: funnel, faces, settings, galleries."""

from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.corrections.told import decided_by
from pipelines.identity.gallery_file import read_gallery
from pipelines.identity.tables import rows_of
from pipelines.release.finished import FinishedBuild
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.releases.figures import PIXELS, classes

#: The published settings by section: thresholds and models.
_DECIDING = {
    "download": ("opt_out", "user_agent", "max_pixels", "min_side", "verify"),
    "persons": ("model", "confidence", "padding", "min_side", "max_persons"),
    "faces": ("detector", "min_score", "min_size", "embedder"),
    "clusters": ("eps", "min_samples", "min_images"),
    "identities": (
        "similar",
        "ambiguous",
        "leak",
        "duplicate",
        "near_copy",
        "cropped_copy",
        "copies_across",
        "gallery_copies",
        "min_images",
    ),
    "keypoints": ("model", "min_score"),
    "split": ("test_people", "test_images", "test_body_images", "seed", "samples_per_shard"),
    "pack": ("size", "quality"),
}
_MODELS = ("model", "detector", "embedder")


def build_figures(build: FinishedBuild) -> dict[str, Any]:
    """Figures of a finished build, ready for JSON. No path, no name of a person is among them."""
    settings = build.config.model_dump(mode="json")
    # What only tells decides nothing, and cards of builds without it stay as they were.
    flags = {"flags": tuple(settings["flags"])} if settings["flags"]["drop"] else {}
    return {
        "rows": build.rows,
        "outcomes": build.outcomes,
        "face_side": _face_sides(build),
        "settings": {
            section: {name: _shown(name, settings[section][name]) for name in names}
            for section, names in (_DECIDING | flags).items()
        },
        "filters": [one["function"] for one in settings["filters"]],
        "corrections": decided_by(build.records),
        "galleries": sorted(_gallery(path) for path in settings["identities"]["galleries"]),
        "code": str(build.records.build.get("code", "")),
    }


def _shown(name: str, value: Any) -> Any:
    """A setting without the paths of the publisher's machine."""
    return PurePath(value).name if name in _MODELS and isinstance(value, str) else value


def _gallery(path: str) -> str:
    """The name of a gallery, or of its file if it is missing."""
    try:
        return read_gallery(path).name
    except WebbodyError:
        return PurePath(path).stem


def _face_sides(build: FinishedBuild) -> dict[str, Any]:
    """The shorter sides of the faces of kept crops, in pixels of the photos."""
    sides = [np.zeros(0)]
    for shard in build.shards:
        kept = _kept_crops(build, shard)
        with build.folder.open(f"faces/{shard}.parquet") as file:
            faces = read_parquet(file, columns=["crop", "box"])
        at = rows_of(kept, faces["crop"])
        sides.append(_shorter(faces["box"].take(pa.array(at[at >= 0]))))
    every = np.concatenate(sides)
    return {
        "samples": classes(np.floor(every), PIXELS),
        "median": round(float(np.median(every)), 1) if len(every) else 0.0,
    }


def _kept_crops(build: FinishedBuild, shard: str) -> pa.ChunkedArray:
    with build.folder.open(f"keypoints/{shard}.parquet") as file:
        table = read_parquet(file, columns=["crop", "outcome"])
    return table.filter(table["outcome"].is_null())["crop"]


def _shorter(column: pa.ChunkedArray) -> NDArray[np.float64]:
    boxes = column.drop_null().combine_chunks().flatten().to_numpy(zero_copy_only=False)
    boxes = boxes.reshape(-1, 4).astype(np.float64)
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf))
