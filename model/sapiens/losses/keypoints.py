"""Losses of heatmaps. Shape suffixes: B batch, K keypoints, H W sides of a map."""

from torch import Tensor


def heatmap_loss(predicted_BKHW: Tensor, target_BKHW: Tensor, weight_BK: Tensor) -> Tensor:
    """Mean over all pixels of all keypoints of the weighted squared error.

    It is not divided by the sum of the weights: an image of few visible keypoints counts less.
    """
    errors_BKHW = (predicted_BKHW.float() - target_BKHW).square()
    return (errors_BKHW * weight_BK[..., None, None]).mean()


def hardest_heatmap_loss(
    predicted_BKHW: Tensor, target_BKHW: Tensor, weight_BK: Tensor, hardest: int
) -> Tensor:
    """The mean of each image's `hardest` keypoints with the largest error (OHKM).

    Prediction and target are both weighted, so that a weight acts squared.
    """
    weight_BK11 = weight_BK[..., None, None]
    errors_BKHW = (predicted_BKHW.float() * weight_BK11 - target_BKHW * weight_BK11).square()
    errors_BK = errors_BKHW.mean((2, 3))
    return errors_BK.topk(min(hardest, errors_BK.shape[1]), dim=1).values.mean()
