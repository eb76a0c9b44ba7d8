"""Small labelled data sets of the four tasks: coloured rectangles on grey."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = (48, 64)  # width, height


def write_pose(folder: Path, count: int = 8) -> str:
    """A keypoint file of 17 points on the border of a rectangle, its pictures beside it."""
    (folder / "images").mkdir(parents=True)
    images, people = [], []
    for number in range(count):
        picture, (left, top, right, bottom) = _picture(number)
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        along = np.linspace(0, 1, 17)
        points = np.stack(
            [left + (right - left) * along, top + (bottom - top) * along, np.full(17, 2)], 1
        )
        images.append(
            {"id": number, "file_name": f"{number}.png", "width": SIDE[0], "height": SIDE[1]}
        )
        box = [left, top, right - left, bottom - top]
        people.append(
            {
                "id": number, "image_id": number, "category_id": 1, "bbox": box, "iscrowd": 0,
                "area": box[2] * box[3], "keypoints": points.ravel().tolist(), "num_keypoints": 17,
            }
        )  # fmt: skip
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    path = folder / "people.json"
    path.write_text(json.dumps(content))
    return str(path)


def write_maps(task: str, folder: Path, count: int = 8) -> str:
    """A folder with pictures, masks, and the maps of a task."""
    maps = {"segmentation": "masks", "depth": "depth", "normal": "normals"}[task]
    for name in ("images", "masks", maps):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture, (left, top, right, bottom) = _picture(number)
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        mask = np.zeros(picture.shape[:2], np.uint8)
        mask[top:bottom, left:right] = 22
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
        rows = np.linspace(2, 3, len(mask))[:, None] * np.ones(mask.shape)
        if task == "depth":
            np.savez(folder / maps / f"{number}.npz", depth=rows.astype(np.float32))
        if task == "normal":
            values = np.stack([np.sin(rows), np.zeros_like(rows), np.cos(rows)], -1)
            np.savez(folder / maps / f"{number}.npz", normals=values.astype(np.float32))
    return str(folder)


def write_task(task: str, folder: Path) -> str:
    """The source of a task's data set."""
    return write_pose(folder) if task == "pose" else write_maps(task, folder)


def _picture(number: int) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    rng = np.random.default_rng(number)
    left, top = (int(value) for value in rng.integers(2, 10, 2))
    right, bottom = left + int(rng.integers(20, 30)), top + int(rng.integers(30, 45))
    picture = np.full((SIDE[1], SIDE[0], 3), 128, np.uint8)
    picture[top:bottom, left:right] = rng.integers(0, 255, 3)
    return picture, (left, top, right, bottom)
