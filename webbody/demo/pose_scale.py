"""Drawn people at all scales as shards: close-ups, upper bodies, full bodies, in changing clothes.

Where a build of the synthetic web ends with few people and detected keypoints, these shards have as
many as are asked for, with exact ones: what training is tried on, and, with people that no training
has seen, what it is judged by.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import HIDDEN, Photo, photo, portrait, walk
from webbody.geometry import on_letterbox, padded
from webbody.images import encode_jpeg, letterbox
from webbody.shards import TarWriter

#: What a picture shows of its person.
SHOTS = ("close", "upper", "full")
_SIDE = 384
_PER_SHARD = 1000
#: Sets walks apart from the pictures of the same people.
_WALKS = 77


def write_pose_scale(
    folder: Path, people: Sequence[int], pictures: Mapping[str, int], draw: int = 0
) -> None:
    """Writes `<shot>-<number>.tar` with so many pictures of each person for each shot.

    people: their identities' seeds, which are also their numbers in the shards. Every picture has
    clothes, pose, light and background of its own; another `draw` gives others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for shot, count in pictures.items():
        samples = [(person, number) for number in range(count) for person in people]
        # Shuffled, as shards are: neighbours are different people.
        order = np.random.default_rng((draw, len(samples))).permutation(len(samples))
        for start in range(0, len(samples), _PER_SHARD):
            name = folder / f"{shot}-{start // _PER_SHARD:03}.tar"
            with name.open("wb") as file:
                tar = TarWriter(file)
                for index in order[start : start + _PER_SHARD]:
                    person, number = samples[index]
                    key = f"{person}-{shot}-{number}"
                    _add(tar, key, person, *picture(person, shot, number, draw))
                tar.close()


def picture(
    person: int, shot: str, number: int, draw: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """One picture (384, 384, 3) RGB of a person and its keypoints (19, 3): x, y, visibility."""
    rng = np.random.default_rng((draw, person, SHOTS.index(shot), number))
    return _cropped(_TAKEN[shot](rng, Identity.sample(person)))


def write_walks(folder: Path, people: Sequence[int], walks: int, frames: int) -> None:
    """Writes `walk-<number>.tar`: walks of each person, each a track of so many frames.

    The frames of a track lie one behind the other, and name it in their JSON; every walk has
    clothes and background of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(walks):
        with (folder / f"walk-{number:03}.tar").open("wb") as file:
            tar = TarWriter(file)
            for person in people:
                rng = np.random.default_rng((_WALKS, person, number))
                for frame, taken in enumerate(walk(rng, Identity.sample(person), frames)):
                    track = f"{person}-walk-{number}"
                    _add(tar, f"{track}-{frame}", person, *_cropped(taken), track=track)
            tar.close()


def _add(
    tar: TarWriter,
    key: str,
    person: int,
    rgb: NDArray[np.uint8],
    keypoints: NDArray[np.float64],
    **more: str,
) -> None:
    about = {"key": key, "person": person, "keypoints": keypoints.tolist(), **more}
    tar.add(f"{key}.jpg", encode_jpeg(rgb, 95))
    tar.add(f"{key}.cls", str(person).encode())
    tar.add(f"{key}.json", json.dumps(about).encode())


def _cropped(taken: Photo) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    figure = taken.figures[0]
    # As the build crops: the person's box and 5 % around it.
    height, width = taken.image.shape[:2]
    left, top, right, bottom = padded(figure.box, 0.05, width, height)
    rgb, scale, across, down = letterbox(taken.image[top:bottom, left:right, ::-1], _SIDE)
    points = on_letterbox(figure.keypoints[:, :2] - [left, top], scale, across, down)
    inside = (figure.keypoints[:, 2:] >= HIDDEN) & (points >= 0).all(1, keepdims=True)
    inside &= (points < _SIDE).all(1, keepdims=True)
    keypoints: NDArray[np.float64] = np.where(inside, np.hstack([points, inside]), 0)
    return rgb, keypoints.round(2)


def _close(rng: np.random.Generator, identity: Identity) -> Photo:
    return portrait(rng, identity, _SIDE)


def _upper(rng: np.random.Generator, identity: Identity) -> Photo:
    return photo(rng, [identity], (384, 512), heads=(0.24, 0.4), occluders=0.1, frontal=1.0)


def _full(rng: np.random.Generator, identity: Identity) -> Photo:
    return photo(rng, [identity], (384, 768), heads=(0.2, 0.25), occluders=0.1, frontal=1.0)


_TAKEN = {"close": _close, "upper": _upper, "full": _full}
