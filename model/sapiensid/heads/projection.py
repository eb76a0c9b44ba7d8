"""The last map of a head, to the feature."""

from torch import nn


def projection(inputs: int, feature_dim: int) -> nn.Sequential:
    """The affine map to the feature: no activation, as in the published weights."""
    return nn.Sequential(
        nn.Linear(inputs, feature_dim, bias=False),
        nn.BatchNorm1d(feature_dim, eps=2e-5),
        nn.Linear(feature_dim, feature_dim, bias=False),
        nn.BatchNorm1d(feature_dim, eps=2e-5),
    )


def affine(inputs: int, feature_dim: int) -> nn.Sequential:
    """One affine map in place of two in a row, which could not do more."""
    return nn.Sequential(
        nn.Linear(inputs, feature_dim, bias=False), nn.BatchNorm1d(feature_dim, eps=2e-5)
    )
