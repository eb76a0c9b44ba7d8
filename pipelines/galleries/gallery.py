"""Making galleries: the identities of validation sets, which a training set must exclude."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.galleries.identity_sources import read_sources
from pipelines.galleries.labelled import Sources
from pipelines.identity.gallery_file import write_gallery
from pipelines.identity.perceptual_hash import perceptual_hash
from webbody.config import WORKER, FacesSettings, WorkerResources
from webbody.errors import WebbodyError
from webbody.images import RGB
from webbody.plain_text import plain_text


@dataclass(frozen=True)
class GallerySummary:
    """Summary of a gallery: identities, faces used, pictures without a trusted face.

    sources: what was found and left out. lost: people without a usable picture. ids: the id of each
    identity in the file.
    """

    identities: int
    images: int
    without_face: int
    sources: Sources
    lost: list[str]
    ids: dict[str, str]

    def report_lines(self) -> Iterator[str]:
        """The counts of the sources, and all warnings, a line each."""
        yield from self.sources.report_lines()
        if self.lost:
            yield (
                f"warning: {len(self.lost):,} people (such as {plain_text(self.lost[0])}) are not "
                "in the gallery: none of their pictures shows a face that can be trusted."
            )


def make_gallery(
    sources: Sequence[str | Path],
    out: str | Path,
    name: str,
    settings: FacesSettings,
    resources: WorkerResources = WORKER,
    *,
    layout: str = "auto",
) -> GallerySummary:
    """Embed the faces of labelled pictures and write one row for each identity to `out` (Parquet).

    Sources and layout as in `read_sources`; pictures that cannot be read are skipped and counted.
    Identities are written as meaningless ids, so that the file contains no names. Raises
    WebbodyError if the sources are unusable.
    """
    from pipelines.galleries.picture_faces import PictureFaces

    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise WebbodyError(
            f"{name!r}: a gallery's name consists of letters, digits, `.`, `_` and `-`."
        )
    found = read_sources(sources, layout)
    faces = PictureFaces(settings, resources)
    sums: dict[str, np.ndarray] = {}
    images: dict[str, int] = {}
    hashes: dict[str, list[int]] = {}
    decoded = 0

    def hashed() -> Iterator[tuple[str, RGB]]:
        """The pictures, with and without a face that can be trusted, whose hashes are noted."""
        for identity, picture in found.decoded():
            hashes.setdefault(identity, []).append(perceptual_hash(picture))
            yield identity, picture

    for identity, feature in faces(hashed()):
        decoded += 1
        if feature is not None:
            sums[identity] = sums.get(identity, 0) + feature.astype(np.float64)
            images[identity] = images.get(identity, 0) + 1
    if not sums:
        raise WebbodyError(
            f"None of the {len(found.pictures)} pictures in {', '.join(map(str, sources))} shows a "
            f"face that can be trusted ({len(found.pictures) - decoded} cannot be read); lower "
            "faces.min_score or check the pictures."
        )
    ids = write_gallery(out, name, faces.digest, sums, images, hashes)
    used = sum(images.values())
    lost = sorted({picture.identity for picture in found.pictures} - set(sums))
    return GallerySummary(len(sums), used, decoded - used, found, lost, ids)
