"""`webbody calibrate`: thresholds for a face embedder, measured on pictures of known people."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipelines.known.identity_sources import read_sources
from pipelines.known.thresholds import Suggestion, calibrate
from pipelines.matching.features import Floats
from webbody.errors import WebbodyError
from webbody.images import RGB, decode, encode_jpeg

__all__ = ["Suggestion", "calibrate", "calibrate_demo", "calibrate_from_folder"]

#: Seeds of drawn people that no model was trained on.
_DRAWN_PEOPLE = 9_000_000


def calibrate_from_folder(
    sources: Sequence[str | Path],
    *,
    layout: str = "auto",
    people: int = 1000,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
    **models: Any,
) -> Suggestion:
    """Calibrate on labelled pictures (sources and layout as of a gallery).

    tell: called with the counts of each source and all warnings, a line each. models: detector,
    embedder and the other settings of PictureFaces.

    """
    found = read_sources(sources, layout)
    try:
        return _calibrate_pictures(found.decoded(), people, seed, models)
    finally:
        for line in found.told():
            tell(line)


def calibrate_demo(
    *, people: int = 40, identities: int = 60, images: int = 12, seed: int = 0, **models: Any
) -> Suggestion:
    """Calibrate on `images` drawn pictures of each of `identities` people of the synthetic web.

    people: how many a build has.
    """
    return _calibrate_pictures(drawn(identities, images, seed), people, seed, models)


def drawn(identities: int, images: int, seed: int) -> Iterator[tuple[int, RGB]]:
    """Number and picture of people whom no demo model was trained on."""
    from webbody.demo.drawing.identity import Identity
    from webbody.demo.drawing.scene import photo, portrait

    for number in range(_DRAWN_PEOPLE, _DRAWN_PEOPLE + identities):
        person = Identity.sample(number)
        for index in range(images):
            rng = np.random.default_rng((seed, number, index))
            if index % 4 == 0:
                taken = portrait(rng, person, size=256)
            else:
                taken = photo(rng, [person], (448, 448), heads=(0.12, 0.5), frontal=1.0)
            yield number, np.ascontiguousarray(taken.image[..., ::-1])


def _calibrate_pictures(
    pictures: Iterable[tuple[Any, RGB]], people: int, seed: int, models: dict[str, Any]
) -> Suggestion:
    from pipelines.vision.picture_faces import PictureFaces

    labels: list[Any] = []
    features: list[Floats] = []
    copies: list[Floats] = []
    # Each picture goes in twice, as it is and as a copy.
    both = (
        pair
        for label, rgb in pictures
        for pair in (((label, False), rgb), ((label, True), copy_of(rgb)))
    )
    original: Floats | None = None
    for (label, is_copy), feature in PictureFaces(**models)(both):
        if not is_copy:
            original = feature
        elif original is not None:
            labels.append(label)
            features.append(original)
            copies.append(np.full_like(original, np.nan) if feature is None else feature)
    if not features:
        raise WebbodyError("None of the pictures shows a face that can be trusted; check them.")
    return calibrate(
        np.stack(features), np.array(labels), np.stack(copies), people=people, seed=seed
    )


def copy_of(rgb: RGB) -> RGB:
    """A picture as somebody else's site would show it: smaller, and compressed once more."""
    height, width = rgb.shape[:2]
    size = max(1, round(0.75 * width)), max(1, round(0.75 * height))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return decode(encode_jpeg(small, 75, "4:2:0"))
