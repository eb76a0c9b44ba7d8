"""The demo's person detector: a very narrow YOLOv8-pose, trained by ultralytics itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import torch
import yaml

from webbody.demo.drawing.scene import Photo
from webbody.demo.train_models import lane, measure
from webbody.demo.train_models.dataset import is_person, photo_rng, training_photo
from webbody.demo.train_models.engines import PERSON_INPUT
from webbody.demo.train_models.offline import offline_ultralytics
from webbody.scratch import scratch_folder
from webbody.skeleton import COCO17

WIDTH = 0.125  # of the full channel numbers; YOLOv8n has 0.25
_COCO_FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def train(out: Path, fast: bool, log: Callable[[str], None]) -> dict[str, Any]:
    """Write `out`/persons.pt (about 2.4 MB); return its held-out figures."""
    photos, epochs = (1600, 14) if fast else (2500, 16)
    with scratch_folder("training") as folder:
        work = Path(folder)
        write_photos(work, "train", photos)
        write_photos(work, "val", 100)
        log(f"{photos} photos drawn")
        weights = fit(work, epochs, batch=16)
        shutil.copyfile(weights, out / "persons.pt")
    log("trained")
    return {world: measure.persons(out / "persons.pt", world) for world in measure.WORLDS}


def labels(photo: Photo) -> str:
    """YOLO-pose lines of a photo: class, box cx cy w h, 17 x (x, y, v), as fractions of it."""
    height, width = photo.image.shape[:2]
    lines = []
    for figure in photo.figures:
        if not is_person(figure):
            continue
        x1, y1, x2, y2 = figure.box / (width, height, width, height)
        points = figure.keypoints[COCO17] / (width, height, 1)
        points[points[:, 2] == 0] = 0
        numbers = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, *points.ravel()]
        lines.append(" ".join(["0", *(f"{number:.6g}" for number in numbers)]))
    return "\n".join(lines)


def write_photos(folder: Path, split: str, count: int) -> None:
    """Draw photos and their labels in the layout that ultralytics reads."""
    images, texts = folder / "images" / split, folder / "labels" / split
    images.mkdir(parents=True)
    texts.mkdir(parents=True)
    for index in range(count):
        photo = training_photo(photo_rng("persons", split, index))
        # Reduced here, as prediction will reduce its photos: faster to read than the full size.
        scale = PERSON_INPUT / max(photo.image.shape[:2])
        small = cv2.resize(photo.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(images / f"{index:05d}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 95])
        (texts / f"{index:05d}.txt").write_text(labels(photo))


def fit(work: Path, epochs: int, batch: int, image_size: int = PERSON_INPUT) -> Path:
    """Train on the photos in `work`; return the path of the weights, stripped to half precision."""
    ultralytics = offline_ultralytics(work)
    data, architecture = work / "data.yaml", work / "yolov8n-pose.yaml"
    description = {
        "path": str(work),
        "train": "images/train",
        "val": "images/val",
        "kpt_shape": [17, 3],
        "flip_idx": _COCO_FLIP,
        "names": {0: "person"},
    }
    data.write_text(yaml.safe_dump(description))
    package = Path(str(ultralytics.__file__)).parent
    network = yaml.safe_load((package / "cfg/models/v8/yolov8-pose.yaml").read_text())
    depth, _, channels = network["scales"]["n"]
    # The file's name must keep the letter n: it selects the scale.
    architecture.write_text(
        yaml.safe_dump({**network, "nc": 1, "scales": {"n": [depth, WIDTH, channels]}})
    )

    model = ultralytics.YOLO(str(architecture), task="pose")
    model.add_callback("on_train_start", _quicken)
    model.train(
        data=str(data), imgsz=image_size, epochs=epochs, batch=batch, nbs=batch, device="cpu",
        project=str(work), name="run", exist_ok=True, seed=0, patience=0, verbose=False,
        optimizer="AdamW", lr0=0.005, lrf=0.02, cos_lr=True, warmup_epochs=1,
        mosaic=0.2, close_mosaic=max(1, epochs // 4), scale=0.3, erasing=0, hsv_h=0.01,
        pretrained=False, amp=False, plots=False, val=False, workers=0,
    )  # fmt: skip
    return work / "run/weights/last.pt"


def _quicken(trainer: Any) -> None:
    """Train in bfloat16 with channels last, which ultralytics does on GPUs only."""
    torch.set_num_threads(1)
    network = trainer.model.to(memory_format=torch.channels_last)
    forward = network.forward

    def quick(batch: Any, *rest: Any, **named: Any) -> Any:
        if not isinstance(batch, dict):
            return forward(batch, *rest, **named)
        with lane.bfloat16():
            image = batch["img"].contiguous(memory_format=torch.channels_last)
            return forward({**batch, "img": image}, *rest, **named)

    network.forward = quick


if __name__ == "__main__":
    lane.command("persons")
