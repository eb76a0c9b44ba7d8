"""Labelled sets for the four vision tasks, in the formats that `model.sapiens.data` reads.

pose/people.json, pose/images/           COCO's keypoints of the drawn people
parts/images/, parts/masks/              28 classes, of the surfaces that the drawing knows
surfaces/images/, masks/, depth/, normals/   people of capsules, depth in metres
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from PIL import Image

from webbody.demo.drawing.canvas import Surface
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import DrawnPerson, Photo, crowd, photo
from webbody.demo.vision_sets.surface_pictures import surface_picture
from webbody.errors import WebbodyError
from webbody.images import encode_jpeg
from webbody.skeleton import COCO17

POSE, PARTS, SURFACES = "pose", "parts", "surfaces"
#: Of the annotations in `pose`.
PEOPLE = "people.json"
#: Width and height of photos with several people, and of those with one or two.
_PHOTOS = ((320, 320), (320, 240), (240, 320))
_PORTRAIT = (192, 256)
_QUALITY = 92
#: Who is smaller or shows less of himself has no labelled keypoint.
_LEAST_SIDE, _LEAST_VISIBLE = 16, 0.12


def write_vision_sets(out: Path, images: int, seed: int) -> None:
    """Write all sets below a folder, `images` pictures each; those of other seeds differ.

    The first pictures are the same for any number of them.

    Raises WebbodyError for a folder that holds something already, and for no images.
    """
    if images < 1:
        raise WebbodyError(f"{images} images make no set: ask for at least 1.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise WebbodyError(f"{out}: holds something already; choose a new folder.")
    _write_pose(out / POSE, images, seed)
    _write_parts(out / PARTS, images, seed)
    _write_surfaces(out / SURFACES, images, seed)


def _write_pose(folder: Path, images: int, seed: int) -> None:
    pictures: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for index in range(images):
        rng = _generator(POSE, seed, index)
        taken = _with_people(rng, _PHOTOS[int(rng.integers(len(_PHOTOS)))])
        name = f"{_name(index)}.jpg"
        height, width = taken.labels.shape
        _save(folder / "images" / name, _jpeg(taken.image))
        number = index + 1
        pictures.append({"id": number, "file_name": name, "width": width, "height": height})
        for figure in taken.figures:
            if (figure.box[2:] > figure.box[:2]).all():
                people.append({"id": len(people) + 1, "image_id": number, **_annotation(figure)})
    content = {
        "images": pictures,
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": _names()}],
    }
    _save(folder / PEOPLE, (json.dumps(content, separators=(",", ":")) + "\n").encode())


def _write_parts(folder: Path, images: int, seed: int) -> None:
    from model.sapiens.vocabulary import part_vocabulary

    names = part_vocabulary(28).names
    classes = np.zeros(256, np.uint8)
    for surface in Surface:
        classes[surface] = names.index(surface.name.title())
    for index in range(images):
        rng = _generator(PARTS, seed, index)
        strangers = [_stranger(rng) for _ in range(1 + int(rng.random() < 0.25))]
        taken = photo(rng, strangers, _PORTRAIT, heads=(0.12, 0.5), occluders=0.15)
        _save(folder / "images" / f"{_name(index)}.jpg", _jpeg(taken.image))
        _save(folder / "masks" / f"{_name(index)}.png", _png(classes[taken.surfaces]))


def _write_surfaces(folder: Path, images: int, seed: int) -> None:
    for index in range(images):
        shown = surface_picture(_generator(SURFACES, seed, index), _PORTRAIT)
        sight, name = shown.sight, _name(index)
        depth = np.where(sight.mask, sight.depth, 0).astype(np.float32)
        _save(folder / "images" / f"{name}.jpg", _jpeg(shown.image))
        _save(folder / "masks" / f"{name}.png", _png(sight.mask.astype(np.uint8) * 255))
        _save(folder / "depth" / f"{name}.npz", _npz("depth", depth))
        _save(folder / "normals" / f"{name}.npz", _npz("normals", sight.normals.astype(np.float32)))


def _with_people(rng: np.random.Generator, size: tuple[int, int]) -> Photo:
    try:
        return crowd(rng, "default", size)
    except ValueError:  # no easy scene in forty
        return photo(rng, [_stranger(rng)], size, heads=(0.1, 0.2), occluders=0)


def _stranger(rng: np.random.Generator) -> Identity:
    return Identity.sample(int(rng.integers(1 << 31)))


def _annotation(figure: DrawnPerson) -> dict[str, Any]:
    """A figure as COCO has it; who hardly shows has no labelled point, so that nobody is missed."""
    x1, y1, x2, y2 = figure.box.tolist()
    points = figure.keypoints[COCO17].copy()
    points[points[:, 2] == 0] = 0
    side = min(x2 - x1, y2 - y1)
    if side < _LEAST_SIDE or figure.visible < _LEAST_VISIBLE:
        points[:] = 0
    return {
        "category_id": 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": round(figure.visible * (x2 - x1) * (y2 - y1), 2),
        "iscrowd": 0,
        "num_keypoints": int((points[:, 2] > 0).sum()),
        "keypoints": np.round(points, 2).ravel().tolist(),
    }


def _names() -> list[str]:
    from model.sapiens.vocabulary import keypoint_vocabulary

    return list(keypoint_vocabulary(17).names)


def _generator(kind: str, seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng((crc32(kind.encode()), seed, index))


def _name(index: int) -> str:
    return f"{index:06d}"


def _save(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _jpeg(bgr: np.ndarray) -> bytes:
    return encode_jpeg(np.ascontiguousarray(bgr[..., ::-1]), _QUALITY)


def _png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def _npz(name: str, values: np.ndarray) -> bytes:
    """A file as numpy.savez_compressed writes it, without the time of writing."""
    array, archive = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array(array, values)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo(f"{name}.npy"), array.getvalue(), zipfile.ZIP_DEFLATED)
    return archive.getvalue()
