"""The stages that run models, beside the bare libraries on the same pictures in the same run.

    python -m benchmarks.build [--photos 96] [--rounds 3] [--models FOLDER] [--no-download]

Each stage gives two rows. "call": the library's own call on decoded pictures against ours on the
same ones (nobody decodes). "shard": a plain loop of decoding, library call and JPEG encoding
against the whole stage, which also writes its tar, table and commit record. Runs alternate, and
figures are those of the fastest run, so that other work on the machine hits both alike. Peak
memory is that of a process that runs the stage alone. Design target for the ratios: at least 0.9.

The demo's models are tiny, so everything around the network counts for more here than with
models of full size.
"""

import argparse
import contextlib
import hashlib
import io
import multiprocessing
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import webbody.demo
from benchmarks.figures import Figures, add_option
from pipelines.base.stage import Inputs, Outputs, Stage, run_shard
from pipelines.detection.embedding import align, alignments, transformed_landmarks
from pipelines.detection.upper_body import upper_body
from pipelines.stages.faces import Faces
from pipelines.stages.keypoints import Keypoints
from pipelines.stages.persons import JPEG_QUALITY, Persons
from webbody.config import (
    FacesSettings,
    KeypointsSettings,
    PersonsSettings,
    Section,
    WorkerResources,
)
from webbody.demo.drawing.scene import crowd
from webbody.images import decode, encode_jpeg
from webbody.storage import Folder

SHARD = "bench"
SIZES = ((640, 640), (640, 480), (480, 640), (640, 427))
BATCH = 32
USE = WorkerResources("cpu", BATCH, threads=1)


@dataclass
class Row:
    """One comparison: pictures, and seconds of the library's way and of ours."""

    name: str
    pictures: int
    library: float
    ours: float
    peak: int | None = None

    def __str__(self) -> str:
        rates = f"{self.pictures / self.library:8.0f}/s {self.pictures / self.ours:8.0f}/s"
        memory = f"{self.peak:6d} MiB" if self.peak else ""
        return (
            f"{self.name:<16} {self.pictures:6d} {rates} {self.library / self.ours:6.2f} {memory}"
        )


def compare(
    rounds: int, library: Callable[[], Any], ours: Callable[[], Any]
) -> tuple[float, float]:
    """Fastest seconds of either way; they take turns, after one run of each to warm up."""
    best = [float("inf"), float("inf")]
    for number in range(rounds + 1):
        for index in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            (library, ours)[index]()
            if number:
                best[index] = min(best[index], time.perf_counter() - started)
    return best[0], best[1]


def put(
    folder: Folder, stage: str, table: pa.Table, members: dict[str, bytes] | None = None
) -> None:
    """Write the outputs of a stage as if it had run."""
    outputs = Outputs(folder, stage, SHARD)
    if members is not None:
        tar = outputs.tar()
        places = [tar.add(name, data) for name, data in members.items()]
        digests = [hashlib.sha256(data).hexdigest() for data in members.values()]
        table = table.append_column("sha256", pa.array(digests))
        for index, name in enumerate(("offset", "length")):
            table = table.append_column(name, pa.array([place[index] for place in places]))
    outputs.table(table)
    outputs.seal()
    outputs.publish()


def swapped(image: Any) -> Any:
    """RGB as BGR."""
    return np.ascontiguousarray(image[..., ::-1])


def read(folder: Folder, stage: str) -> list[tuple[dict[str, Any], bytes]]:
    """The rows of a stage that go on, each with its member."""
    inputs = Inputs(folder, SHARD)
    rows = [row for row in inputs.table(stage).to_pylist() if row["outcome"] is None]
    with inputs.random_access(stage) as tar:
        return [(row, tar.read(row["offset"], row["length"])) for row in rows]


def settings(models: str) -> dict[type[Stage], Any]:
    """The settings of each stage."""
    return {
        Persons: PersonsSettings(
            model=f"{models}/persons.pt", confidence=0.4, iou=0.5, image_size=256
        ),
        Faces: FacesSettings(
            detector=f"{models}/faces.onnx", embedder=f"{models}/embedder.pt", min_score=0.5
        ),
        Keypoints: KeypointsSettings(model=f"{models}/keypoints.onnx", min_score=0.3),
    }


def _shard(folder: str, stage: type[Stage], settings: Section, out: Any) -> None:
    """Run a stage in a process of its own and report that process's peak memory in MiB."""
    run_shard(stage(settings, USE), Folder(folder), SHARD, "", {})
    # Not ru_maxrss, which a new process inherits from the one that started it.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    out.put(int(status["VmHWM"].split()[0]) // 1024)


def peak_memory(folder: Folder, stage: type[Stage], settings: Section) -> int:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_shard, args=(folder.url, stage, settings, answer))
    process.start()
    peak = answer.get()
    process.join()
    return int(peak)


def persons(folder: Folder, settings: PersonsSettings, rounds: int) -> list[Row]:
    stage = Persons(settings, USE)
    sources = [data for _, data in read(folder, "download")]
    photos = [decode(data) for data in sources]
    wanted = {"imgsz": settings.image_size, "conf": settings.confidence}

    bgr = [swapped(photo) for photo in photos]  # as cv2.imread gives them to the library

    library: Any = stage.detector._library

    def predict(images: list[Any]) -> list[Any]:
        results: list[Any] = []
        for start in range(0, len(images), BATCH):
            results += library.yolo.predict(
                images[start : start + BATCH], **wanted, iou=settings.iou, device="cpu",
                verbose=False,
            )  # fmt: skip
        return results

    def plain() -> None:
        images = [decode(data) for data in sources]
        for image, result in zip(images, predict([swapped(i) for i in images]), strict=True):
            for box in result.boxes.xyxy.numpy()[: settings.max_persons]:
                x1, y1, x2, y2 = box.astype(int)
                if min(x2 - x1, y2 - y1) >= settings.min_side:
                    encode_jpeg(image[y1:y2, x1:x2], JPEG_QUALITY)

    def ours() -> None:
        for start in range(0, len(photos), BATCH):
            stage.detector(photos[start : start + BATCH])

    call = compare(rounds, lambda: predict(bgr), ours)
    whole = compare(rounds, plain, lambda: run_shard(stage, folder, SHARD, "", {}))
    peak = peak_memory(folder, Persons, settings)
    return [
        Row("persons call", len(photos), *call),
        Row("persons shard", len(photos), *whole, peak),
    ]


def faces(folder: Folder, settings: FacesSettings, rounds: int) -> list[Row]:
    from insightface.utils import face_align

    stage = Faces(settings, USE)
    crops = read(folder, "persons")

    def head(row: dict[str, Any], image: Any) -> Any:
        points = np.array(row["keypoints"], np.float32).reshape(17, 3)
        points[:, :2] -= row["area"][:2]
        x1, y1, x2, y2 = upper_body(points, row["width"], row["height"])[0]
        return np.ascontiguousarray(image[y1:y2, x1:x2])

    def library(heads: list[Any]) -> None:
        aligned, landmarks = [], []
        for picture in heads:
            boxes, points = stage.detector.library.detect(picture)
            if len(boxes):
                aligned.append(face_align.norm_crop(picture, points[0]))
                landmarks.append(points[0])
        if aligned:
            marks = np.array(landmarks, np.float32)
            faces = [face[..., ::-1] for face in aligned]
            stage.embedder(faces, transformed_landmarks(marks, alignments(marks)))

    def ours() -> None:
        found = stage.detector(heads)
        chosen = [index for index, faces in enumerate(found) if len(faces.boxes)]
        marks = np.array([found[i].landmarks[0] for i in chosen], np.float32).reshape(-1, 5, 2)
        transforms = alignments(marks)
        aligned = [align(heads[i], t) for i, t in zip(chosen, transforms, strict=True)]
        stage.embedder(aligned, transformed_landmarks(marks, transforms))

    heads = [head(row, decode(data)) for row, data in crops]
    bgr = [swapped(picture) for picture in heads]
    call = compare(rounds, lambda: library(bgr), ours)
    whole = compare(
        rounds,
        lambda: library([swapped(head(row, decode(data))) for row, data in crops]),
        lambda: run_shard(stage, folder, SHARD, "", {}),
    )
    peak = peak_memory(folder, Faces, settings)
    return [Row("faces call", len(crops), *call), Row("faces shard", len(crops), *whole, peak)]


def keypoints(folder: Folder, settings: KeypointsSettings, rounds: int) -> list[Row]:
    from rtmlib import RTMPose

    from pipelines.detection.devices import onnx_session

    crops = read(folder, "persons")
    names = [row["crop"] for row, _ in crops]
    kept = {
        "crop": names,
        "person": range(len(names)),
        "outcome": pa.nulls(len(names), pa.string()),
    }
    put(folder, "identities", pa.table({**kept, "person": pa.array(kept["person"], pa.int64())}))
    stage = Keypoints(settings, USE)
    with contextlib.redirect_stdout(io.StringIO()):
        pose = RTMPose(settings.model, stage.detector.input_size)
    pose.session = onnx_session(settings.model, "cpu", 1)  # as many threads as ours
    boxes = [np.array(row["box"]) - [*row["area"][:2]] * 2 for row, _ in crops]
    images = [decode(data) for _, data in crops]

    def library(pictures: list[Any]) -> None:
        for picture, box in zip(pictures, boxes, strict=True):
            pose(picture, [box])

    bgr = [swapped(image) for image in images]
    call = compare(rounds, lambda: library(bgr), lambda: stage.detector(images, boxes))
    whole = compare(
        rounds,
        lambda: library([swapped(decode(data)) for _, data in crops]),
        lambda: run_shard(stage, folder, SHARD, "", {}),
    )
    peak = peak_memory(folder, Keypoints, settings)
    return [
        Row("keypoints call", len(crops), *call),
        Row("keypoints shard", len(crops), *whole, peak),
    ]


def draw(folder: Folder, count: int) -> None:
    """A download shard of the demo's photos."""
    members, rows = {}, []
    for index in range(count):
        photo = crowd(np.random.default_rng(index), size=SIZES[index % len(SIZES)])
        height, width = photo.image.shape[:2]
        members[f"{index:05d}.jpg"] = encode_jpeg(photo.image[..., ::-1], 90, "4:2:0")
        rows.append({"key": f"{index:05d}", "outcome": None, "width": width, "height": height})
    kinds = {"key": pa.string(), "outcome": pa.string(), "width": pa.int32(), "height": pa.int32()}
    put(folder, "download", pa.Table.from_pylist(rows, schema=pa.schema(kinds)), members)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way")
    parser.add_argument("--models", default=str(Path(webbody.demo.__file__).parent / "models"))
    parser.add_argument("--no-download", action="store_true", help="leave out the download stage")
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("build", arguments)
    warnings.simplefilter("ignore", FutureWarning)  # of scikit-image, in insightface
    print(
        f"{'':<16} {'images':>6} {'library':>10} {'webbody':>10} {'ratio':>6} {'peak memory':>10}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Folder(scratch)
        draw(folder, arguments.photos)
        chosen = settings(arguments.models)
        for stage, measure in ((Persons, persons), (Faces, faces), (Keypoints, keypoints)):
            for row in measure(folder, chosen[stage], arguments.rounds):
                print(row, flush=True)
                figures.row(**vars(row))
                figures.ratio(row.name, row.library / row.ours)
    if not arguments.no_download:
        print("\ndownload stage, beside img2dataset on the same local server", flush=True)
        options = ["--rounds", str(arguments.rounds)]
        subprocess.run([sys.executable, "-m", "benchmarks.download", *options], check=True)


if __name__ == "__main__":
    main()
