"""People and faces of a build that are similar to a photo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from pipelines.galleries.picture_faces import PictureFaces
from pipelines.identity.features import Floats, embedder_of, from_column, unit
from pipelines.identity.tables import kept
from pipelines.takedown.matching import planned_files
from webbody.build_records import read_build
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.images import ImageError, decode
from webbody.parquet_tables import read_parquet
from webbody.storage import Folder


@dataclass
class FoundAlike:
    """people: ids with the cosine of their centre. crops: working keys of faces with theirs.

    feature: (D,) of the photos, at length 1, by the embedder with this sha256.
    """

    people: dict[int, float]
    crops: dict[str, float]
    threshold: float
    feature: Floats
    embedder: str

    def lines(self) -> Iterator[str]:
        """The results, most similar first."""
        for person, cosine in sorted(self.people.items(), key=lambda item: -item[1]):
            yield f"person {person}: similarity {cosine:.3f}"
        yield (
            f"{len(self.people):,} people and {len(self.crops):,} faces have a similarity of "
            f"{self.threshold:g} or more (identities.similar) to the photo."
        )


def find_similar(folder: Folder, photos: Sequence[Path]) -> FoundAlike:
    """People and faces of a build that are at least `identities.similar` like the photos' faces.

    Raises WebbodyError where a photo shows no face, or the build keeps no features.
    """
    config = BuildConfig.model_validate((read_build(folder) or {}).get("config") or {})
    faces = PictureFaces(config.faces)
    features = []
    for path, feature in faces((path, _opened(path)) for path in photos):
        if feature is None:
            raise WebbodyError(f"--like {path}: shows no clear face.")
        features.append(feature)
    photo_feature = unit(np.stack(features).sum(0, keepdims=True))[0]
    threshold = config.identities.similar
    crops: dict[str, float] = {}
    sums: dict[int, np.ndarray] = {}
    seen = 0
    for shard in planned_files(folder):
        if folder.size(f"faces/{shard}.parquet") is None:
            continue
        with folder.open(f"faces/{shard}.parquet") as file:
            table = kept(read_parquet(file, columns=["crop", "outcome", "feature"]))
        table = table.filter(pc.is_valid(table["feature"]))  # they may have been removed
        if not len(table):
            continue
        if (made := embedder_of(table)) and made != faces.digest:
            raise WebbodyError(
                f"{folder.url}: its features are of another face embedder than "
                f"{config.faces.embedder}."
            )
        seen += len(table)
        raw = from_column(table["feature"])
        cosine = unit(raw) @ photo_feature
        names = table["crop"].to_pylist()
        for row in np.flatnonzero(cosine >= threshold).tolist():
            crops[names[row]] = float(cosine[row])
        person = _people(folder, shard)
        for row, crop in enumerate(names):
            if (number := person.get(crop)) is not None:
                sums[number] = sums.get(number, 0) + raw[row].astype(np.float64)
    if not seen:
        raise WebbodyError(
            f"{folder.url}: keeps no face features (any more); use --url or --person."
        )
    people = {}
    for number, total in sums.items():
        cosine = float(unit(total[None])[0] @ photo_feature)
        if cosine >= threshold:
            people[number] = cosine
    return FoundAlike(people, crops, threshold, photo_feature, faces.digest)


def _people(folder: Folder, shard: str) -> dict[str, int]:
    if folder.size(f"identities/{shard}.parquet") is None:
        return {}
    with folder.open(f"identities/{shard}.parquet") as file:
        table = read_parquet(file, columns=["crop", "person"])
    pairs = zip(table["crop"].to_pylist(), table["person"].to_pylist(), strict=True)
    return {crop: person for crop, person in pairs if person is not None}


def _opened(path: Path) -> np.ndarray:
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise WebbodyError(f"--like {path}: cannot be read ({error.strerror}).") from error
    except ImageError as error:
        raise WebbodyError(f"--like {path}: is no picture that can be read.") from error
