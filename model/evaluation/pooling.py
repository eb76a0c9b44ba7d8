"""One feature for several images: the frames of a track, or of a clip.

Shape suffixes: N images, T tracks, D width of a feature.
"""

import torch.nn.functional as F
from torch import Tensor

from model.evaluation.errors import EvaluationError
from model.evaluation.images import Array, Images, as_tensor, inverse_lengths


def pool_tracks(frames: Images, track: Array) -> tuple[Images, Tensor]:
    """A side with one image for each track, and the tracks' numbers (T,), ascending.

    `track` (N,) int says which track each frame is of. A track's feature is the mean of its
    frames' unit features, of length 1 again; its labels are those of its frames, which must agree.

    Raises EvaluationError for NaN, and where frames of a track have different labels.
    """
    features_ND = as_tensor(frames.features).float()
    unit_ND = features_ND * inverse_lengths(features_ND, "frame")[:, None]
    numbers_T, track_N = as_tensor(track).to(unit_ND.device).unique(return_inverse=True)
    # The mean and the sum have the same direction.
    sum_TD = unit_ND.new_zeros(len(numbers_T), unit_ND.shape[1]).index_add_(0, track_N, unit_ND)

    def of_tracks(values: Array, name: str) -> Tensor:
        return _agreed(as_tensor(values), track_N, numbers_T, name)

    pooled = Images(
        F.normalize(sum_TD, dim=1),
        of_tracks(frames.person, "person"),
        None if frames.camera is None else of_tracks(frames.camera, "camera"),
        None if frames.clothes is None else of_tracks(frames.clothes, "clothes"),
    )
    return pooled, numbers_T


def _agreed(label_N: Tensor, track_N: Tensor, numbers_T: Tensor, name: str) -> Tensor:
    label_N = label_N.to(track_N.device)
    label_T = label_N.new_zeros(len(numbers_T)).index_copy_(0, track_N, label_N)
    differs_N = label_T[track_N] != label_N
    if differs_N.any():
        number = int(numbers_T[track_N[differs_N][0]])
        raise EvaluationError(f"the frames of track {number} differ in their {name}")
    return label_T
