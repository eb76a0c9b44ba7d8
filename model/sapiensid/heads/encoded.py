"""The encoder's output for heads and visualization.

Shape suffixes: B batch, N tokens, D width, R regions, K keypoints.
"""

from typing import NamedTuple

from torch import Tensor


class Encoded(NamedTuple):
    """The tokens of a batch after the last block, and where each of them comes from.

    tokens_BND, and positions_BND, their position embeddings; ids_BN: which candidate patch each of
    them is, counted region by region and row by row; mask_BN: which of them are no padding.
    boxes_BR4: the regions, as fractions of the image. keypoint_positions_BKD: the keypoints'
    position embeddings; visible_BK: which keypoints count as visible.
    """

    tokens_BND: Tensor
    positions_BND: Tensor
    ids_BN: Tensor
    mask_BN: Tensor
    boxes_BR4: Tensor
    keypoint_positions_BKD: Tensor
    visible_BK: Tensor
