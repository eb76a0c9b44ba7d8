"""The heads by name."""

from collections.abc import Callable

from torch import nn

from model.sapiensid.heads.factored import FactoredHead
from model.sapiensid.heads.mapped import MappedHead
from model.sapiensid.heads.part_tokens import PartTokensHead
from model.sapiensid.heads.pooled import PooledHead
from model.sapiensid.heads.residual import ResidualHead
from model.sapiensid.heads.semantic import SemanticHead
from model.sapiensid.heads.shared import SharedHead

#: Those that are made of `(width, keypoints, feature_dim, offsets, peak)`.
OF_PARTS: dict[str, Callable[..., nn.Module]] = {
    "shared": SharedHead,
    "factored": FactoredHead,
    "part-tokens": PartTokensHead,
    "residual": ResidualHead,
}
#: The paper's, its baseline's, and those of our own.
HEADS = ("semantic", "pooled", "mapped", *OF_PARTS)


def make_head(
    kind: str,
    width: int,
    keypoints: int,
    feature_dim: int,
    offsets: int,
    datasets: int,
    peak: str,
    mean_datasets: bool,
) -> nn.Module:
    """A head: `(encoded, datasets_B) -> feature (B, F)`; ValueError for a name that is none."""
    if kind == "semantic":
        return SemanticHead(width, keypoints, feature_dim, offsets, datasets, peak, mean_datasets)
    if kind == "pooled":
        return PooledHead(width, feature_dim)
    if kind == "mapped":
        return MappedHead(width, feature_dim)
    if kind not in OF_PARTS:
        raise ValueError(f"head must be one of {', '.join(HEADS)}, not {kind!r}")
    return OF_PARTS[kind](width, keypoints, feature_dim, offsets, peak)
