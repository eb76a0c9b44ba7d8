"""`webbody calibrate`: thresholds for a face embedder, measured on pictures of known people."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.calibration.clean_names import STRANGERS
from pipelines.calibration.people_sample import MAX_PEOPLE
from pipelines.calibration.thresholds import Suggestion, calibrate
from pipelines.galleries import picture_faces
from pipelines.galleries.identity_sources import read_sources
from pipelines.galleries.labelled import Sources
from pipelines.identity.features import Floats, unit
from pipelines.identity.gallery_file import Gallery, read_gallery
from webbody.config import WORKER, FacesSettings, WorkerResources
from webbody.errors import WebbodyError
from webbody.images import RGB, decode, encode_jpeg

__all__ = ["Suggestion", "calibrate", "calibrate_demo", "calibrate_from_folder", "size_of_build"]

#: Seeds of drawn people that no model was trained on.
_DRAWN_PEOPLE = 9_000_000


def calibrate_from_folder(
    sources: Sequence[str | Path],
    settings: FacesSettings,
    resources: WorkerResources = WORKER,
    *,
    layout: str = "auto",
    people: int = 1000,
    images: int = 20,
    galleries: Sequence[str] = (),
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Suggestion:
    """Calibrate on labelled pictures (sources and layout as of a gallery).

    people, images: as of `calibrate`. galleries: files of the build's validation people. say:
    called with the counts of each source and all warnings, a line each.
    """
    opened = [read_gallery(path) for path in galleries]
    size = sum(len(gallery.identities) for gallery in opened) or None
    read = _people_of(read_sources(sources, layout), seed)
    try:
        faces = picture_faces.PictureFaces(settings, resources)
        found = _calibrate_pictures(read.decoded(), people, images, size, seed, faces, opened)
    finally:
        for line in read.report_lines():
            say(line)
    return found


def calibrate_demo(
    settings: FacesSettings,
    resources: WorkerResources = WORKER,
    *,
    people: int = 40,
    images: int = 8,
    identities: int = 60,
    pictures: int = 12,
    seed: int = 0,
) -> Suggestion:
    """Calibrate on drawn `pictures` of each of `identities` people of the synthetic web.

    people, images: as in `calibrate`.
    """
    photos = drawn_people(identities, pictures, seed)
    faces = picture_faces.PictureFaces(settings, resources)
    return _calibrate_pictures(photos, people, images, None, seed, faces)


def size_of_build(manifest: str) -> tuple[int, int]:
    """The names of a manifest, and the expected images of the person of a median name.

    A share STRANGERS of a name's rows shows somebody else or cannot be fetched.
    """
    from webbody.manifest import Manifest

    rows: dict[str, int] = {}
    with Manifest(manifest) as opened:
        for batch in opened.accepted():
            for name in batch.column("name").to_pylist():
                rows[name] = rows.get(name, 0) + 1
    if len(rows) < 2:
        raise WebbodyError(f"{manifest}: has {len(rows)} names; a build compares at least two.")
    middling = float(np.median(list(rows.values())))
    return len(rows), max(2, round((1 - STRANGERS) * middling))


def drawn_people(identities: int, images: int, seed: int) -> Iterator[tuple[int, RGB]]:
    """Number and picture of people on whom no demo model was trained."""
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


def _people_of(read: Sources, seed: int) -> Sources:
    """All pictures of at most MAX_PEOPLE people, sampled before decoding."""
    people = sorted({picture.identity for picture in read.pictures})
    if len(people) <= MAX_PEOPLE:
        return read
    rng = np.random.default_rng(seed)
    chosen = {people[i] for i in rng.permutation(len(people))[:MAX_PEOPLE]}
    taken = [i for i, picture in enumerate(read.pictures) if picture.identity in chosen]
    pictures, of = [read.pictures[i] for i in taken], [read.of[i] for i in taken]
    return replace(read, pictures=pictures, of=of)


def _validated(
    features: Floats, labels: NDArray[Any], galleries: Sequence[Gallery], similar: float
) -> Iterator[str]:
    """A warning for each gallery that contains people of the calibration, by similar centres."""
    people, of = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(people), features.shape[1]))
    np.add.at(sums, of, features)
    for gallery in galleries:
        nearest = (unit(sums) @ unit(gallery.features).T).max(1, initial=-1)
        both = int((nearest > similar).sum())
        if both:
            yield (
                f"{both} of the {len(people)} calibration people are in the gallery "
                f"{gallery.name} too: thresholds fitted to validation people flatter what is "
                "measured on them; calibrate on others."
            )


def _calibrate_pictures(
    pictures: Iterable[tuple[Any, RGB]],
    people: int,
    images: int,
    gallery: int | None,
    seed: int,
    faces: picture_faces.PictureFaces,
    galleries: Sequence[Gallery] = (),
) -> Suggestion:
    labels: list[Any] = []
    features: list[Floats] = []
    copies: list[Floats] = []
    # Each picture is embedded twice: itself and a copy.
    both = (
        pair
        for label, rgb in pictures
        for pair in (((label, False), rgb), ((label, True), copy_of(rgb)))
    )
    original: Floats | None = None
    for (label, is_copy), feature in faces(both):
        if not is_copy:
            original = feature
        elif original is not None:
            labels.append(label)
            features.append(original)
            copies.append(np.full_like(original, np.nan) if feature is None else feature)
    if not features:
        raise WebbodyError(
            "None of the pictures shows a face that can be trusted; check them, or lower "
            "faces.min_score (`webbody calibrate --sample` shows what the detector gives)."
        )
    suggested = calibrate(
        np.stack(features),
        np.array(labels),
        np.stack(copies),
        people=people,
        images=images,
        gallery=gallery,
        seed=seed,
    )
    for one in galleries:
        one.check(faces.digest, features[0].shape[0])
    alike = _validated(np.stack(features), np.array(labels), galleries, suggested.similar)
    suggested.warnings.extend(alike)
    return suggested


def copy_of(rgb: RGB) -> RGB:
    """A copy as another website would publish it: smaller and compressed again."""
    height, width = rgb.shape[:2]
    size = max(1, round(0.75 * width)), max(1, round(0.75 * height))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return decode(encode_jpeg(small, 75, "4:2:0"))
