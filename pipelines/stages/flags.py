"""The flags stage: what is wrong with the picture of each crop and of its face, if anything."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from model.prefetch import prefetch
from pipelines.base.crops import decode_crop
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.detection.embedding import align, alignments
from pipelines.identity.tables import kept
from pipelines.quality.head_pose import yaw_and_pitch
from pipelines.quality.picture_measures import measure, sharpness
from webbody.commit import UNMEASURED
from webbody.config import FLAGS, FlagsSettings
from webbody.images import RGB, ImageError

#: A row of each crop. Measures and flags are null where nothing could be measured: those of a face
#: where no face was found, all of them of a crop that had been let go before, which `detail` says.
SCHEMA = pa.schema(
    {
        "crop": pa.string(),
        "key": pa.string(),
        "outcome": pa.string(),
        "detail": pa.string(),
        "aspect": pa.float32(),
        "brightness_5": pa.float32(),
        "brightness_99": pa.float32(),
        "entropy": pa.float32(),
        "sharpness": pa.float32(),
        "face_sharpness": pa.float32(),
        "yaw": pa.float32(),
        "pitch": pa.float32(),
        **dict.fromkeys(FLAGS, pa.bool_()),
    }
)


class Flags(Stage[FlagsSettings]):
    """Measures the picture quality of each crop and of its face; drops nothing.

    What `flags.drop` names drops crops in the stage `clusters`, so that choosing other flags
    measures nothing again. A build made before there were flags may have let its crops go: they are
    not fetched again for what only tells.
    """

    name = "flags"
    needs = ("persons", "faces")

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        columns = ["crop", "key", "outcome", "width", "height", "digest", "offset", "length"]
        crops = kept(inputs.table("persons", columns=columns)).to_pylist()
        faces = inputs.table("faces", columns=["crop", "landmarks"]).to_pylist()
        landmarks = {face["crop"]: face["landmarks"] for face in faces}
        there = not crops or inputs.has_images("persons")
        rows = list(self._measured(inputs, crops, landmarks)) if there else []
        if not there:
            rows = [_row(crop, detail="the crop had been let go") for crop in crops]
        for row in rows:
            outputs.tally.add(row["key"], row["outcome"])
        outputs.table(pa.Table.from_pylist(rows, SCHEMA))
        return {
            "in": len(rows),
            "out": sum(row["outcome"] is None for row in rows),
            UNMEASURED: 0 if there else len(rows),
            **{flag: sum(bool(row.get(flag)) for row in rows) for flag in FLAGS},
        }

    def _measured(
        self, inputs: Inputs, crops: list[dict[str, Any]], landmarks: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """The rows of crops in their order; a few are measured at a time."""
        if not crops:
            return
        with (
            ThreadPoolExecutor(self.resources.threads) as pool,
            inputs.random_access("persons") as tar,
        ):
            sources = ((crop, tar.read(crop["offset"], crop["length"])) for crop in crops)
            yield from prefetch(
                pool,
                lambda one: self._row_of(*one, landmarks.get(one[0]["crop"])),
                sources,
                2 * self.resources.threads,
            )

    def _row_of(self, crop: dict[str, Any], data: bytes, landmarks: Any) -> dict[str, Any]:
        try:
            picture = decode_crop(crop, data)
        except ImageError as error:
            return _row(crop, outcome=error.outcome, detail=error.detail)
        found = {**asdict(measure(picture)), **_of_face(picture, landmarks)}
        return _row(crop, **found, **flagged(found, self.settings))


def _row(crop: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"crop": crop["crop"], "key": crop["key"], "outcome": None, **more}


def _of_face(picture: RGB, landmarks: Any) -> dict[str, float]:
    """The measures of a face by its landmarks (10 numbers, pixels of the crop); none without."""
    points = np.array(landmarks if landmarks is not None else [], np.float32).reshape(-1, 2)
    turned = yaw_and_pitch(points) if len(points) == 5 else None
    if turned is None:
        return {}
    face = align(picture, alignments(points[None])[0])
    return {"face_sharpness": sharpness(face), "yaw": turned[0], "pitch": turned[1]}


def flagged(measures: Mapping[str, float], settings: FlagsSettings) -> dict[str, bool]:
    """The flags of a crop with these measures; those of the face only where it was measured."""
    flags = {
        "blurred": measures["sharpness"] < settings.min_sharpness,
        "dark": measures["brightness_99"] < settings.min_brightness,
        "overexposed": measures["brightness_5"] > settings.max_brightness,
        "low_information": measures["entropy"] < settings.min_entropy,
        "odd_aspect": measures["aspect"] < settings.min_aspect,
    }
    if "face_sharpness" in measures:
        flags["face_blurred"] = measures["face_sharpness"] < settings.min_face_sharpness
        flags["profile"] = abs(measures["yaw"]) > settings.max_yaw
    return flags
