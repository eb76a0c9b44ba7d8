"""The semantic head's weights of body parts, as figures. Shape suffix: K keypoints."""

from dataclasses import dataclass

from model.sapiensid.heads.semantic import SemanticHead
from model.sapiensid.sapiensid import SapiensID
from webbody.skeleton import NAMES


@dataclass(frozen=True)
class PartWeights:
    """The semantic head's learned weights of body parts, from 0 to 1 (Eq. 10).

    mean and spread (standard deviation): of all of them, of all data sets. keypoints: the mean of
    each keypoint's.
    """

    mean: float
    spread: float
    keypoints: dict[str, float]

    @property
    def top(self) -> str:
        """The keypoint with the largest weight."""
        return max(self.keypoints, key=lambda name: self.keypoints[name])


def part_weights(model: SapiensID) -> PartWeights | None:
    """The weights that the semantic head has learned; None for another head."""
    if not isinstance(model.head, SemanticHead):
        return None
    weights = model.head.part_weights.detach().float().sigmoid().cpu()
    # Attention's parts, then those of peaks; each keypoint's offsets lie side by side.
    keypoints_K = weights.unflatten(1, (2, len(NAMES), -1)).mean((0, 1, 3))
    named = dict(zip(NAMES, keypoints_K.tolist(), strict=True))
    return PartWeights(float(weights.mean()), float(weights.std(correction=0)), named)
