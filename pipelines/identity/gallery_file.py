"""Gallery files: identities that a training set must exclude, with sums of their features."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

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


#: Perceptual hashes of an identity's pictures; files of older versions have none.
_HASHES = pa.field("hashes", pa.list_(pa.int64()))


def _schema(width: int) -> pa.Schema:
    return pa.schema(
        [("identity", pa.string()), ("feature", feature_type(width)), ("images", pa.int32())]
    )


def _none() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Gallery:
    """A gallery in memory: ids (N,) and the sums (N, D) of the identities' raw features.

    hashes: (M,) perceptual hashes of pictures, hash_of (M,) the row of the identity of each.
    """

    name: str
    embedder: str
    identities: list[str]
    features: Floats
    hashes: NDArray[np.int64] = field(default_factory=_none)
    hash_of: NDArray[np.int64] = field(default_factory=_none)

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
    hashes: Mapping[str, Iterable[int]] = MappingProxyType({}),
) -> dict[str, str]:
    """Write the sums of raw features (D,) of identities; all must have the same size.

    hashes: perceptual hashes of their pictures, if they are to be found as pictures, too.

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
    if hashes:
        column = [sorted(set(hashes.get(identity, ()))) for identity in order]
        table = table.append_column(_HASHES, pa.array(column, _HASHES.type))
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
    schemas = _schema(width), _schema(width).append(_HASHES)
    if table.schema not in schemas or _NAME not in metadata:
        raise WebbodyError(f"{path}: is no gallery; `webbody gallery` makes one.")
    hashes, hash_of = _hashes(table)
    return Gallery(
        metadata[_NAME].decode(),
        embedder_of(table),
        table["identity"].to_pylist(),
        from_column(table["feature"]),
        hashes,
        hash_of,
    )


def _hashes(table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The hashes of all pictures, and the row of the identity of each."""
    if _HASHES.name not in table.column_names:
        return _none(), _none()
    column = table[_HASHES.name].combine_chunks()
    return column.flatten().to_numpy(), pc.list_parent_indices(column).to_numpy()


def _in_half(total: np.ndarray) -> np.ndarray:
    """The sum, scaled down if it overflows half precision: only its direction matters."""
    return total / max(1.0, float(np.abs(total).max()) / 60_000)
