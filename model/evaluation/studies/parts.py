"""Features of some body parts only: those of the others are zero (paper B.4, Tables 6 and 10).

Shape suffixes: B batch, K keypoints, P = 2 K keypoints of the attention's half and of the peaks',
E numbers of a keypoint in a half, G body parts, V variants, F feature size.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from model.evaluation.studies.study import Study
from model.sapiensid.heads.semantic import SemanticHead
from model.sapiensid.sapiensid import SapiensID
from webbody.skeleton import NAMES

#: From top to bottom, in the tables' order; both sides of a part go together.
PARTS = (
    "nose", "eye", "mouth", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle",
)  # fmt: skip


class PartErasing(Study):
    """No parts, then parts that come back one by one: from the nose down, then from the ankles up.

    "all" ends both orders and is there once. It equals the model's own feature but for rounding:
    the head's projection is affine in evaluation, so a part is projected once and sums follow.

    Raises ValueError for a model whose head has no parts.
    """

    model: SapiensID
    part_P: Tensor

    def __init__(self, model: SapiensID) -> None:
        down = [f"{PARTS[0]} to {part}" for part in PARTS[1:-1]]
        up = [f"{PARTS[-1]} to {part}" for part in PARTS[-2:0:-1]]
        super().__init__(model, ("none", PARTS[0], *down, "all", PARTS[-1], *up))
        if not isinstance(model.head, SemanticHead):
            raise ValueError(
                "parts can be erased only from a semantic head, and this model's head is pooled"
            )
        self.head = model.head
        part_K = [PARTS.index(name.split("_")[-1]) for name in NAMES]
        self.register_buffer("part_P", torch.tensor(2 * part_K), persistent=False)

    def features(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Iterator[Tensor]:
        """The features (B, F) of each variant, in their order."""
        parts = self.head.scaled_parts(self.model.encode(images_BCHW, keypoints_BK3))
        first, rest = self.head.project[0], self.head.project[1:]
        parts_BPE = parts.flatten(1).unflatten(1, (len(self.part_P), -1))
        weight_FPE = first.get_parameter("weight").unflatten(1, parts_BPE.shape[1:])
        share_PBF = torch.einsum("bpe,fpe->pbf", parts_BPE, weight_FPE).float()
        share_GBF = share_PBF.new_zeros(len(PARTS), *share_PBF.shape[1:])
        share_GBF = share_GBF.index_add(0, self.part_P, share_PBF)
        down_GBF, up_GBF = share_GBF.cumsum(0), share_GBF.flip(0).cumsum(0)
        sums_VBF = torch.cat([torch.zeros_like(share_GBF[:1]), down_GBF, up_GBF[:-1]])
        yield from rest(sums_VBF.flatten(0, 1)).unflatten(0, sums_VBF.shape[:2])
