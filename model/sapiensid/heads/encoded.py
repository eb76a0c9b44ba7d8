"""The encoder's output for heads and visualization.

Shape suffixes: B batch, N tokens, D width, R regions, K keypoints; of clips: B clips, T frames,
X = T N, P parts.
"""

from typing import NamedTuple

from torch import Tensor


class Encoded(NamedTuple):
    """The tokens of a batch after the last block, and where each of them comes from.

    tokens_BND, and positions_BND, their position embeddings; ids_BN: which candidate patch each of
    them is, counted region by region and row by row; mask_BN: which of them are no padding.
    boxes_BR4: the regions, as fractions of the image. keypoint_positions_BKD: the keypoints'
    position embeddings; visible_BK: which keypoints count as visible.

    Of clips every row is a frame, the T frames of the first clip first, and frames_BT tells which
    of them are there.
    """

    tokens_BND: Tensor
    positions_BND: Tensor
    ids_BN: Tensor
    mask_BN: Tensor
    boxes_BR4: Tensor
    keypoint_positions_BKD: Tensor
    visible_BK: Tensor
    frames_BT: Tensor | None = None

    def all_tokens(self) -> tuple[Tensor, Tensor]:
        """The tokens (B, X, D) of an image or of a clip's frames, and which are no padding."""
        if self.frames_BT is None:
            return self.tokens_BND, self.mask_BN
        mask_BTN = self.mask_BN.unflatten(0, self.frames_BT.shape) & self.frames_BT[..., None]
        return self.tokens_BND.unflatten(0, self.frames_BT.shape).flatten(1, 2), mask_BTN.flatten(1)

    def over_frames(self, parts_BPD: Tensor, seen_BP: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of each part (B, P, D) over the frames that show it, and which any frame shows.

        Zeros where none does; of images as they are, but for these zeros.
        """
        if self.frames_BT is None:
            return parts_BPD * seen_BP[..., None], seen_BP
        seen_BTP = seen_BP.unflatten(0, self.frames_BT.shape) & self.frames_BT[..., None]
        parts_BTPD = parts_BPD.unflatten(0, self.frames_BT.shape)
        sum_BPD = parts_BTPD.where(seen_BTP[..., None], 0).sum(1)
        return sum_BPD / seen_BTP.sum(1).clamp(min=1)[..., None], seen_BTP.any(1)
