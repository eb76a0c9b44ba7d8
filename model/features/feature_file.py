"""The Parquet file of features: a row for each sample, and how its features were made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.features.extract import Features
from webbody.errors import WebbodyError, error_context
from webbody.json_text import parse_json

_INFO = b"webbody.features"
#: How features can be stored.
DTYPES = {"float32": (np.float32, pa.float32()), "float16": (np.float16, pa.float16())}


class BadFeatures(WebbodyError):
    """Features that a file cannot hold, or a file that does not hold them."""


def schema(feature_dim: int, dtype: str) -> pa.Schema:
    """Columns of the file; a null feature has an outcome that says why.

    Where `visible` is 0 a feature of SapiensID is the same whatever the picture shows. `whole`: no
    person was found in the picture, so that all of it was taken.
    """
    return pa.schema(
        {
            "key": pa.string(),
            "source": pa.string(),
            "person": pa.int64(),
            "split": pa.string(),
            "feature": pa.list_(DTYPES[dtype][1], feature_dim),
            "norm": pa.float32(),
            "visible": pa.int32(),
            "whole": pa.bool_(),
            "outcome": pa.string(),
        }
    )


def refuse_no_numbers(block: Features) -> None:
    """BadFeatures where a feature holds values that are no numbers."""
    wrong = np.flatnonzero(~np.isfinite(block.features_BF).all(1))
    if len(wrong):
        raise BadFeatures(
            f"{len(wrong)} of {len(block.samples)} features are no numbers, the first is that of "
            f"{block.samples[wrong[0]].key}: the model cannot be used in this precision, or is "
            "damaged"
        )


def to_table(block: Features, columns: pa.Schema, dtype: str) -> pa.Table:
    """A batch of features as rows.

    Raises BadFeatures for features that are no numbers, and where float16 cannot hold them.
    """
    samples, features = block.samples, block.features_BF
    refuse_no_numbers(block)
    with np.errstate(over="ignore"):
        values = features.astype(DTYPES[dtype][0])
    if np.isinf(values).any():
        raise BadFeatures("the features are too large for float16: store them as float32")
    missing = np.array([sample.outcome is not None for sample in samples])
    norms = np.linalg.norm(features, axis=1).astype(np.float32)
    return pa.table(
        [
            [sample.key for sample in samples],
            [sample.source for sample in samples],
            pa.array([sample.person for sample in samples], pa.int64()),
            pa.array([sample.split for sample in samples], pa.string()),
            pa.FixedSizeListArray.from_arrays(
                pa.array(values.ravel()),
                type=columns.field("feature").type,
                mask=pa.array(missing),
            ),
            pa.array(norms, mask=missing),
            pa.array(block.visible_B, mask=missing),
            pa.array([sample.whole for sample in samples], mask=missing),
            pa.array([sample.outcome for sample in samples], pa.string()),
        ],
        columns,
    )


def with_info(columns: pa.Schema, info: Mapping[str, Any]) -> pa.Schema:
    """The schema with how the features were made, JSON in the file's metadata."""
    return columns.with_metadata({_INFO: json.dumps(info).encode()})


def info_of(columns: pa.Schema) -> dict[str, Any]:
    """How a file's features were made; BadFeatures where the schema is not that of one."""
    metadata = columns.metadata or {}
    if _INFO not in metadata:
        raise BadFeatures("it holds no features of SapiensID")
    info: dict[str, Any] = parse_json(metadata[_INFO])
    return info


@dataclass(frozen=True)
class FeatureRow:
    """A feature (F,), the number of visible keypoints, and whether no person was found."""

    feature: NDArray[np.float32]
    visible: int
    whole: bool


def read_feature(path: str, key: str) -> tuple[FeatureRow, dict[str, Any]]:
    """The row with a key, and how its feature was made.

    Raises BadFeatures for another kind of file, a key that is not there or several times, and a row
    without a feature; OSError where the file cannot be read.
    """
    try:
        columns = pq.read_schema(path)
        with error_context(f"{path}: "):
            info = info_of(columns)
        # Files of older versions do not say whether a person was found.
        wanted = [n for n in ("feature", "visible", "outcome", "whole") if n in columns.names]
        found = pq.read_table(path, columns=wanted, filters=[("key", "==", key)])
    except pa.ArrowInvalid as error:
        raise BadFeatures(f"{path} is no Parquet file") from error
    if len(found) != 1:
        raise BadFeatures(f"{path} has {len(found) or 'no'} rows with the key {key}")
    row = found.to_pylist()[0]
    if row["outcome"] is not None:
        raise BadFeatures(f"{path}: {key} has no feature ({row['outcome']})")
    feature = np.array(row["feature"], np.float32)
    return FeatureRow(feature, row["visible"], bool(row.get("whole"))), info
