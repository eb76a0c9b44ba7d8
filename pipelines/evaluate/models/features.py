"""Features of a data set's images: computed and cached, or read from a file.

Shape suffixes: N images, F feature size, M images that have a feature.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.features.extract import Extractor
from model.features.feature_file import BadFeatures, info_of
from model.features.resumable import ExtractionUnit, make_features
from pipelines.evaluate.models.embedder import InferenceModel
from pipelines.inference.embed import finder_settings
from webbody import __version__
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.storage import Folder

#: Marks a file whose model uses no keypoints.
_NO_KEYPOINTS = "without keypoints"
#: Digits of a model's sha256 in the names of kept files.
_DIGITS = 12


@dataclass(frozen=True)
class ImageFeatures:
    """Features (M, F) of the images that have one, in their order; present_N marks them among all
    N.

    blind: how many are of images without a visible keypoint, which a model with keypoints cannot
    tell apart.
    """

    features_MF: Tensor
    present_N: NDArray[np.bool_]
    blind: int = 0

    @property
    def missing(self) -> int:
        return int((~self.present_N).sum())


def make(
    name: str,
    parts: Sequence[ExtractionUnit],
    finds: bool,
    embedder: InferenceModel,
    config: BuildConfig,
    cache: Folder,
    *,
    device: str,
    batch: int,
    progress: Callable[[int, int], None],
) -> str:
    """Path or URL of the features of the data set `name`, computed if they are not cached.

    A feature is the sum of those of the image and the mirrored image. finds: whether keypoints are
    detected with the models of `config`, if the model uses any. progress: called with the rows and
    parts done.
    """
    file = f"{name}-{embedder.sha256[:_DIGITS]}.parquet"
    info: dict[str, Any] = {
        "precision": "bfloat16" if device == "cuda" else "float32",
        **embedder.info,
        "flip": True,
        "finder": found_with(config) if finds else None,
        "version": __version__,
    }
    if not embedder.keypoints:
        info[_NO_KEYPOINTS] = True
    make_features(
        parts,
        Extractor(embedder.model, device=device, batch=batch, flip=True),
        cache,
        file,
        info,
        feature_dim=embedder.model.feature_dim,
        # The cache can be rebuilt: features of other settings replace it.
        replace=True,
        progress=progress,
    )
    return f"{cache.url}/{file}"


def found_with(config: BuildConfig) -> dict[str, Any]:
    """The settings of keypoint detection; keypoints of mirrored images are detected, too."""
    return {**finder_settings(config, whole=True), "mirrored": True}


def read(path: str, images: Sequence[str], data_set: str) -> ImageFeatures:
    """The features of images, from a Parquet file of a row for each.

    Columns `feature`, a list of numbers or null, and `key` or `image`, an image's path in the data
    set. Rows of other images are passed over. Raises WebbodyError for another kind of file,
    images that have no row or several, and features of different sizes.
    """
    try:
        with fsspec.open(path, "rb") as file:
            columns = pq.read_schema(file)
            names = columns.names
            key = next((name for name in ("key", "image") if name in names), "")
            if not key or "feature" not in names:
                raise WebbodyError(
                    f"{path}: features are in the columns key and feature, and it has {names}"
                )
            visible = _shows_visible(columns)
            table = read_parquet(file, columns=[key, "feature", *["visible"] * visible])
    except (OSError, pa.ArrowInvalid) as error:
        raise WebbodyError(f"{path}: cannot be read as Parquet ({error})") from error
    expected = pa.array(images, pa.string())
    keys = table[key].combine_chunks().cast(pa.string())
    row_N = pc.index_in(expected, keys)
    if row_N.null_count:
        first = images[row_N.is_null().index(True).as_py()]
        raise WebbodyError(
            f"{path}: {row_N.null_count:,} of {len(images):,} images of {data_set} have no row "
            f"here, the first is {first}; give features of this data set, with such keys"
        )
    row_N = row_N.to_numpy()
    if pc.sum(pc.is_in(keys, expected)).as_py() > len(pc.unique(expected)):
        raise WebbodyError(f"{path}: some images of {data_set} have several rows here")
    column = table["feature"].combine_chunks()
    image_features = _rows(path, column, row_N)
    if not visible:
        return image_features
    seen = table["visible"].combine_chunks().take(pa.array(row_N[image_features.present_N]))
    blind = pc.sum(pc.equal(seen, 0)).as_py() or 0
    if blind == len(seen):
        raise WebbodyError(
            f"{path}: no keypoint is visible in any of {len(seen):,} images, so their features are "
            "all alike; look at keypoints.model, keypoints.beta and keypoints.min_score, "
            "and at some images with `webbody show`"
        )
    return replace(image_features, blind=blind)


def _shows_visible(columns: pa.Schema) -> bool:
    """Whether a file says how many keypoints its features rest on: one of a SapiensID does."""
    try:
        return "visible" in columns.names and _NO_KEYPOINTS not in info_of(columns)
    except BadFeatures:
        return False


def _rows(path: str, column: pa.Array, row_N: NDArray[np.integer]) -> ImageFeatures:
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    present_N = valid[row_N]
    if not present_N.any():
        raise WebbodyError(f"{path}: no image has a feature")
    try:
        sizes = pc.unique(pc.list_value_length(column.drop_null())).to_pylist()
        # Nulls are not in the values.
        values = column.drop_null().flatten().to_numpy(zero_copy_only=False)
    # A column of no lists at all is one that Arrow has not implemented this for.
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise WebbodyError(f"{path}: its features are no lists of numbers") from error
    if len(sizes) != 1 or values.dtype.kind != "f":
        raise WebbodyError(
            f"{path}: features are lists of floating numbers of one size, not of {values.dtype} "
            f"in {len(sizes)} sizes"
        )
    place = np.cumsum(valid) - 1
    features_MF = values.reshape(-1, sizes[0])[place[row_N[present_N]]]
    return ImageFeatures(torch.from_numpy(features_MF), present_N)
