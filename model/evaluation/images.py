"""The two sides of a ranking: images with their features and labels.

Shape suffixes: N images of a side, D width of a feature.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from webbody.errors import WebbodyError

Array = NDArray[Any] | Tensor


@dataclass(frozen=True)
class Images:
    """The queries or the gallery of a data set, as arrays of numpy or torch.

    Attributes:
        features: (N, D), floating, of any length, without NaN; their device is used to compute.
        person: (N,), integers.
        camera: (N,), integers, -1 where unknown; None if the rule does not use cameras.
        clothes: (N,), integers, -1 where unknown; None if the rule does not use clothes.
    """

    features: Array
    person: Array
    camera: Array | None = None
    clothes: Array | None = None


@dataclass(frozen=True)
class Labels:
    """Whom a side's images show, by which camera and in which clothes: int64, on one device."""

    person_N: Tensor
    camera_N: Tensor | None
    clothes_N: Tensor | None

    def __len__(self) -> int:
        return len(self.person_N)


@dataclass(frozen=True)
class ImageSet(Labels):
    """Checked images as tensors on one device; inverse_N is one over each feature's length."""

    features_ND: Tensor
    inverse_N: Tensor


def checked(images: Images, name: str) -> ImageSet:
    """The images as a side called `name` in errors; features are not copied.

    Raises WebbodyError for misshapen arrays and for features that are NaN or infinite.
    """
    features_ND = as_tensor(images.features)
    if features_ND.ndim != 2 or not features_ND.is_floating_point():
        raise WebbodyError(
            f"the {name} features must be floating numbers of shape (images, width), not "
            f"{features_ND.dtype} of shape {tuple(features_ND.shape)}"
        )
    labels = {
        field: _label(getattr(images, field), features_ND, f"{name} {field}")
        for field in ("person", "camera", "clothes")
    }
    if labels["person"] is None:
        raise WebbodyError(f"the {name} images have no person")
    return ImageSet(
        labels["person"],
        labels["camera"],
        labels["clothes"],
        features_ND,
        inverse_lengths(features_ND, name),
    )


def checked_pair(q: Images, g: Images) -> tuple[ImageSet, ImageSet]:
    """Query and gallery as sides that can be compared; raises WebbodyError where they cannot."""
    query, gallery = checked(q, "query"), checked(g, "gallery")
    width, other = query.features_ND.shape[1], gallery.features_ND.shape[1]
    if width != other:
        raise WebbodyError(
            f"query features have {width} numbers and gallery features {other}: "
            "they come from different models"
        )
    device, other_device = query.features_ND.device, gallery.features_ND.device
    if device != other_device:
        raise WebbodyError(
            f"query features are on {device} and gallery features on {other_device}: "
            "move them to one device"
        )
    return query, gallery


def as_tensor(array: Array) -> Tensor:
    """The array as a tensor that shares its memory."""
    if isinstance(array, Tensor):
        return array.detach()
    with warnings.catch_warnings():
        # Columns of a Parquet file cannot be written to, which is said once; nobody does here.
        warnings.filterwarnings("ignore", "The given NumPy array is not writ")
        return torch.as_tensor(np.asarray(array))


def inverse_lengths(features_ND: Tensor, name: str) -> Tensor:
    """One over each feature's length, float32 (N,), zero for a feature of zeros.

    Raises WebbodyError where a feature is NaN or infinite.
    """
    wide = torch.promote_types(features_ND.dtype, torch.float32)
    length_N = torch.linalg.vector_norm(features_ND, dim=1, dtype=wide).float()
    bad_N = ~length_N.isfinite()
    if bad_N.any():
        rows = bad_N.nonzero()[:, 0]
        raise WebbodyError(
            f"{len(rows)} of {len(bad_N)} {name} features are NaN or infinite, the first is "
            f"number {int(rows[0])}: leave these images out, or fix what made their features"
        )
    return torch.where(length_N > 0, 1 / length_N, 0.0)


def _label(values: Array | None, features_ND: Tensor, name: str) -> Tensor | None:
    if values is None:
        return None
    label_N = as_tensor(values)
    if label_N.shape != features_ND.shape[:1]:
        raise WebbodyError(
            f"there are {len(features_ND)} features, but {name} has shape {tuple(label_N.shape)}"
        )
    # An empty list is one of floating numbers.
    if label_N.is_floating_point() and len(label_N):
        raise WebbodyError(f"{name} must be whole numbers, not {label_N.dtype}")
    return label_N.to(features_ND.device, torch.int64)
