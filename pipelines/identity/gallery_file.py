"""Gallery files: identities that a training set must exclude, with sums of their features."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.identity.features import (
    EMBEDDER,
    Floats,
    embedder_of,
    feature_type,
    from_column,
    to_column,
)
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.storage import Folder

_NAME = b"webbody.gallery"


def _schema(width: int) -> pa.Schema:
    return pa.schema(
        [("identity", pa.string()), ("feature", feature_type(width)), ("images", pa.int32())]
    )


@dataclass(frozen=True)
class Gallery:
    """A gallery in memory: ids (N,) and the sums (N, D) of the identities' raw features."""

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


def write_gallery(
    out: str | Path,
    name: str,
    embedder: str,
    sums: dict[str, np.ndarray],
    images: dict[str, int],
) -> dict[str, str]:
    """Write the sums of raw features (D,) of identities; all must have the same size.

    Returns the id of each identity in the file. It is derived from the features, not from the name,
    which a list of names could reveal.
    """
    halves = {identity: _in_half(total).astype(np.float16) for identity, total in sums.items()}
    ids: dict[str, str] = {}
    used: Counter[bytes] = Counter()
    for identity, half in halves.items():
        content = half.tobytes()
        copy = used[content].to_bytes(4)  # of several with the very same features
        ids[identity] = hashlib.blake2b(content + copy, digest_size=10).hexdigest()
        used[content] += 1
    order = sorted(ids, key=lambda identity: ids[identity])
    features = np.stack([halves[identity] for identity in order])
    table = pa.table(
        [
            [ids[identity] for identity in order],
            to_column(features),
            [images[identity] for identity in order],
        ],
        _schema(features.shape[1]).with_metadata(
            {_NAME: name.encode(), EMBEDDER: embedder.encode()}
        ),
    )
    out = Path(out)
    with Folder(out.resolve().parent).write(out.name) as file:
        pq.write_table(table, file, compression="zstd")
    return ids


def read_gallery(path: str | Path) -> Gallery:
    """Read a gallery; WebbodyError if the file is missing or of another kind."""
    try:
        table = read_parquet(path)
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


def _in_half(total: np.ndarray) -> np.ndarray:
    """The sum, scaled down if it overflows half precision: only its direction matters."""
    return total / max(1.0, float(np.abs(total).max()) / 60_000)
