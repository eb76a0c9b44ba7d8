"""Small labelled folders in the formats that the readers read, to be spoiled by tests."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from model.sapiens.vocabulary import keypoint_vocabulary

WIDTH, HEIGHT = 40, 30


def picture(seed=0, width=WIDTH, height=HEIGHT):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def annotation(number=1, image=1, points=17, **changes):
    spread = np.stack(
        [np.linspace(5, 30, points), np.linspace(6, 25, points), np.full(points, 2)], 1
    )
    row = {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [4, 5, 28, 22],
        "area": 300.5,
        "iscrowd": 0,
        "num_keypoints": points,
        "keypoints": spread.ravel().tolist(),
    }
    return row | changes


def coco(annotations, images=2, points=17):
    return {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT}
            for number in range(1, images + 1)
        ],
        "annotations": list(annotations),
        "categories": [
            {"id": 1, "name": "person", "keypoints": list(keypoint_vocabulary(points).names)}
        ],
    }


def pose_folder(folder: Path, content) -> tuple[Path, Path]:
    """The annotation file and the folder of pictures."""
    file = folder / "people.json"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    for number in (1, 2):
        save(folder / "images" / f"{number}.png", picture(number))
    return file, folder / "images"


def person_mask():
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:25, 10:30] = 255
    return mask


def depth_map():
    return np.linspace(1, 3, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)


def normal_map():
    normals = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    normals[..., 0], normals[..., 2] = 0.6, 0.8
    return normals


def surface_folder(folder: Path, kind: str, values: np.ndarray, mask=None) -> Path:
    """A folder of one picture with a map of `kind`, "depth" or "normals"."""
    save(folder / "images" / "one.png", picture())
    save(folder / "masks" / "one.png", person_mask() if mask is None else mask)
    (folder / kind).mkdir(exist_ok=True)
    np.savez(folder / kind / "one.npz", values)
    return folder
