"""One feature for several images: the frames of a track, the images of a template.

Shape suffixes: N images, M media, T tracks or templates, D width of a feature.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.evaluation.images import Array, Images, as_tensor, inverse_lengths
from webbody.errors import WebbodyError


def pool_tracks(frames: Images, track: Array) -> tuple[Images, Tensor]:
    """A side with one image for each track, and the tracks' numbers (T,), ascending.

    `track` (N,) int says which track each frame is of. A track's feature is the mean of its
    frames' unit features, of length 1 again; its labels are those of its frames, which must agree.

    Raises WebbodyError for NaN, and where frames of a track have different labels.
    """
    features_ND = as_tensor(frames.features).float()
    unit_ND = features_ND * inverse_lengths(features_ND, "frame")[:, None]
    numbers_T, track_N = _groups(track, unit_ND)

    def of_tracks(values: Array, name: str) -> Tensor:
        return _agreed(as_tensor(values), track_N, numbers_T, name)

    pooled = Images(
        F.normalize(_means(unit_ND, track_N, len(numbers_T)), dim=1),
        of_tracks(frames.person, "person"),
        None if frames.camera is None else of_tracks(frames.camera, "camera"),
        None if frames.clothes is None else of_tracks(frames.clothes, "clothes"),
    )
    return pooled, numbers_T


def pool_templates(
    features: Array, template: Array, media: Array | None = None
) -> tuple[Tensor, Tensor]:
    """Features (T, D) of templates, of length 1, and the templates' numbers (T,), ascending.

    features (N, D), of their own lengths: a longer one weighs more. A template's feature is the sum
    over its media of the mean over that media's images (IJB-B and IJB-C); without `media` it is
    the mean over all its images (IJB-S, where an image without a face is a feature of zeros).

    Raises WebbodyError for NaN.
    """
    features_ND = as_tensor(features).float()
    inverse_lengths(features_ND, "template")
    numbers_T, template_N = _groups(template, features_ND)
    if media is not None:
        # Media are numbered over all templates, and one media may serve several.
        pair_N2 = torch.stack([template_N, as_tensor(media).to(template_N)], 1)
        pair_M2, pair_N = pair_N2.unique(dim=0, return_inverse=True)
        features_ND = _means(features_ND, pair_N, len(pair_M2))
        template_N = pair_M2[:, 0]
    # The mean and the sum have the same direction.
    return F.normalize(_means(features_ND, template_N, len(numbers_T)), dim=1), numbers_T


def _groups(number: Array, features_ND: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers in use, ascending, and for each image the place of its number (N,)."""
    number_N = as_tensor(number).to(features_ND.device)
    if number_N.shape != features_ND.shape[:1]:
        raise WebbodyError(
            f"{len(features_ND)} features cannot be pooled by {tuple(number_N.shape)} numbers"
        )
    found: tuple[Tensor, Tensor] = number_N.unique(return_inverse=True)
    return found


def _means(features_ND: Tensor, group_N: Tensor, groups: int) -> Tensor:
    sum_TD = features_ND.new_zeros(groups, features_ND.shape[1]).index_add_(0, group_N, features_ND)
    return sum_TD / group_N.bincount(minlength=groups)[:, None]


def _agreed(label_N: Tensor, track_N: Tensor, numbers_T: Tensor, name: str) -> Tensor:
    label_N = label_N.to(track_N.device)
    label_T = label_N.new_zeros(len(numbers_T)).index_copy_(0, track_N, label_N)
    differs_N = label_T[track_N] != label_N
    if differs_N.any():
        number = int(numbers_T[track_N[differs_N][0]])
        raise WebbodyError(f"the frames of track {number} differ in their {name}")
    return label_T
