"""The similarity of the people in two pictures or rows of feature files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.features.extract import Extractor
from model.features.feature_file import read_feature, refuse_no_numbers
from model.features.samples import Sample
from pipelines.detection.devices import choose_device
from pipelines.inference.checkpoint import Checkpoint
from pipelines.inference.embed import lazy_finder
from pipelines.inference.pictures import read_pictures
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.skeleton import COUNT
from webbody.storage import Folder

_ENDING = ".parquet:"
#: Fewer visible keypoints give a warning.
FEW = 3


@dataclass(frozen=True)
class ComparedImage:
    """One of the two: its raw feature (F,), and how many of its 19 keypoints are visible.

    whole: no person was found in the picture, so that all of it was taken.
    """

    name: str
    feature: NDArray[np.float32]
    visible: int
    whole: bool = False

    @property
    def norm(self) -> float:
        return float(np.linalg.norm(self.feature))


@dataclass(frozen=True)
class Comparison:
    """Two people and the cosine of their features."""

    a: ComparedImage
    b: ComparedImage

    @property
    def cosine(self) -> float:
        scale = self.a.norm * self.b.norm
        # Clipped, as rounding may exceed 1.
        return float(np.clip(self.a.feature @ self.b.feature / scale, -1, 1)) if scale else 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the cosine doubtful."""
        out = []
        for side in dict.fromkeys(side.name for side in (self.a, self.b)):
            of = self.a if side == self.a.name else self.b
            if of.whole:
                out.append(f"no person was found in {side}: the whole picture was taken")
            if of.visible < FEW:
                points = f"{of.visible} of {COUNT} keypoints"
                out.append(f"only {points} are visible in {side}: the cosine rests on them alone")
        return tuple(out)


def compare(
    a: str,
    b: str,
    open_model: Callable[[], Checkpoint],
    config: BuildConfig,
    *,
    whole: bool = False,
    flip: bool = False,
) -> Comparison:
    """Compare two of: a picture's path, or `FILE.parquet:KEY`, a row of a feature file.

    open_model: gives the checkpoint where there is a picture. whole, flip: as for `embed`. Raises
    WebbodyError for a picture that cannot be read, a row that is not there, and features that do
    not go together.
    """
    stored = {text: _stored(text) for text in (a, b) if _ENDING in text}
    pictures = [text for text in dict.fromkeys((a, b)) if text not in stored]
    sides = {text: side for text, (side, _) in stored.items()}
    made = {text: (info["sha256"], info["flip"]) for text, (_, info) in stored.items()}
    if pictures:
        checkpoint = open_model()
        computed = _computed(pictures, checkpoint, config, whole, flip)
        sides |= {side.name: side for side in computed}
        made |= dict.fromkeys(pictures, (checkpoint.sha256, flip))
    if made[a] != made[b]:
        what = "different checkpoints" if made[a][0] != made[b][0] else "and without --flip"
        raise WebbodyError(f"{a} and {b} were made with {what}, so they cannot be compared.")
    blind = [text for text in dict.fromkeys((a, b)) if sides[text].visible == 0]
    if blind:
        raise WebbodyError(
            f"{' and '.join(blind)}: no keypoint is visible, and without any a feature is the same "
            "whatever the picture shows, so there is no cosine; look at it with `webbody show`, "
            "choose another picture, or look at keypoints.model and keypoints.min_score (now "
            f"{config.keypoints.min_score})."
        )
    return Comparison(sides[a], sides[b])


def _stored(text: str) -> tuple[ComparedImage, dict[str, Any]]:
    path, _, key = text.partition(_ENDING)
    path += _ENDING[:-1]
    if not Path(path).is_file():
        raise WebbodyError(f"{path}: there is no such feature file; `webbody embed` makes one.")
    row, info = read_feature(path, key)
    return ComparedImage(text, row.feature, row.visible, row.whole), info


def _computed(
    pictures: list[str], checkpoint: Checkpoint, config: BuildConfig, whole: bool, flip: bool
) -> list[ComparedImage]:
    """The sides that are pictures, in one batch."""
    device = choose_device(config.resources.device)
    for text in pictures:
        if not Path(text).is_file():
            raise WebbodyError(f"{text}: there is no such picture; check the path.")
    finder = lazy_finder(config, whole, checkpoint.model.image_size)
    samples: list[Sample] = []
    for text in pictures:
        folder, limit = Folder(Path(text).parent), config.download.max_pixels
        samples += read_pictures(folder, [Path(text).name], finder, limit)
        if samples[-1].outcome is not None:
            raise WebbodyError(f"{text}: cannot be compared ({samples[-1].outcome}).")
    extract = Extractor(checkpoint.model, device=device, batch=len(samples), flip=flip)
    (block,) = extract(samples)
    refuse_no_numbers(block)
    for text, sample in zip(pictures, block.samples, strict=True):
        if sample.outcome is not None:
            raise WebbodyError(f"{text}: cannot be compared ({sample.outcome}).")
    return [
        ComparedImage(text, feature, int(visible), sample.whole)
        for text, feature, visible, sample in zip(
            pictures, block.features_BF, block.visible_B, samples, strict=True
        )
    ]
