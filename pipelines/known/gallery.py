"""Galleries: the identities of validation sets, which must not be in a training set."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.known.identity_sources import decoded, read_sources
from pipelines.matching.features import (
    EMBEDDER,
    Floats,
    embedder_of,
    feature_type,
    from_column,
    to_column,
)
from webbody.errors import WebbodyError
from webbody.storage import Folder

_NAME = b"webbody.gallery"


def _schema(width: int) -> pa.Schema:
    return pa.schema(
        [("identity", pa.string()), ("feature", feature_type(width)), ("images", pa.int32())]
    )


@dataclass(frozen=True)
class Gallery:
    """A gallery in memory: opaque identities (N,) and the sums (N, D) of their raw features."""

    name: str
    embedder: str
    identities: list[str]
    features: Floats

    def check(self, embedder: str, width: int | None) -> None:
        """WebbodyError unless the gallery was made by the embedder with this sha256.

        width: of the build's features, None where it has none; a sha256 of "" is not known.
        """
        own = self.features.shape[1]
        if (embedder and embedder != self.embedder) or width not in (None, own):
            raise WebbodyError(
                f"Gallery {self.name} was made with the face embedder {self.embedder[:12]} "
                f"({own} numbers), the build's features with {embedder[:12] or 'an unknown one'} "
                f"({width or 'unknown'}): make the gallery again with `webbody gallery` and the "
                "build's settings."
            )


@dataclass(frozen=True)
class Made:
    """What a gallery was made of: identities, faces used, pictures without a trusted face."""

    identities: int
    images: int
    without_face: int


def make_gallery(
    sources: Sequence[str | Path],
    out: str | Path,
    name: str,
    *,
    detector: str,
    embedder: str,
    detector_size: int = 640,
    min_score: float | None = None,
    min_size: float = 16,
    device: str = "auto",
    batch: int = 32,
    threads: int = 1,
) -> Made:
    """Embed the faces of labelled pictures and write one row for each identity to `out` (Parquet).

    Sources as in `read_sources`. Identities are written as digests, so that the file names nobody.
    Raises WebbodyError where nothing can be made of the sources.
    """
    from pipelines.vision.picture_faces import PictureFaces

    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise WebbodyError(
            f"{name!r}: a gallery's name consists of letters, digits, `.`, `_` and `-`."
        )
    pictures = read_sources(sources)
    faces = PictureFaces(
        detector=detector,
        embedder=embedder,
        detector_size=detector_size,
        min_score=min_score,
        min_size=min_size,
        device=device,
        batch=batch,
        threads=threads,
    )
    sums: dict[str, np.ndarray] = {}
    images: dict[str, int] = {}
    for identity, feature in faces(decoded(pictures)):
        if feature is not None:
            row = opaque(identity)
            sums[row] = sums.get(row, 0) + feature.astype(np.float64)
            images[row] = images.get(row, 0) + 1
    if not sums:
        raise WebbodyError(
            f"None of the {len(pictures)} pictures in {', '.join(map(str, sources))} shows a face "
            "that can be trusted; lower faces.min_score or check the pictures."
        )
    write_gallery(out, name, faces.digest, sums, images)
    used = sum(images.values())
    return Made(len(sums), used, len(pictures) - used)


def write_gallery(
    out: str | Path,
    name: str,
    embedder: str,
    sums: dict[str, np.ndarray],
    images: dict[str, int],
) -> None:
    """Write the sums of raw features (D,) by opaque identity; all must be of one width."""
    identities = sorted(sums)
    features = np.stack([_in_half(sums[identity]) for identity in identities])
    table = pa.table(
        [identities, to_column(features), [images[identity] for identity in identities]],
        _schema(features.shape[1]).with_metadata(
            {_NAME: name.encode(), EMBEDDER: embedder.encode()}
        ),
    )
    out = Path(out)
    with Folder(out.resolve().parent).write(out.name) as file:
        pq.write_table(table, file, compression="zstd")


def read_gallery(path: str | Path) -> Gallery:
    """Read a gallery; WebbodyError where the file is missing or none."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise WebbodyError(
            f"Gallery {path} does not exist; `webbody gallery` makes one."
        ) from error
    except (OSError, pa.ArrowInvalid) as error:
        raise WebbodyError(f"{path}: is no gallery; `webbody gallery` makes one.") from error
    metadata = table.schema.metadata or {}
    kind = table.schema.field("feature").type if "feature" in table.schema.names else None
    width = kind.list_size if kind is not None and pa.types.is_fixed_size_list(kind) else 0
    if not table.schema.equals(_schema(width)) or _NAME not in metadata:
        raise WebbodyError(f"{path}: is no gallery; `webbody gallery` makes one.")
    return Gallery(
        metadata[_NAME].decode(),
        embedder_of(table),
        table["identity"].to_pylist(),
        from_column(table["feature"]),
    )


def opaque(identity: str) -> str:
    """An identity's name as a digest (blake2b-80, hex)."""
    return hashlib.blake2b(identity.encode(), digest_size=10).hexdigest()


def _in_half(total: np.ndarray) -> np.ndarray:
    """The sum, scaled down where half precision cannot hold it: only its direction counts."""
    return total / max(1.0, float(np.abs(total).max()) / 60_000)
