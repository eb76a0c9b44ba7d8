"""People who are a little nearer or farther than they were cropped (paper B.6 b).

Shape suffixes: B batch, C channels, H, W image sides, K keypoints, F feature size.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from model.evaluation.studies.study import Study
from model.features.extract import FeatureModel
from model.sapiensid.sapiensid import visible_inside
from model.warp import move, warp


class Zoom(Study):
    """The image as it is, enlarged by the factor 1 + `share`, and made smaller by the same factor.

    The centre of the padded image stays where it is, and the keypoints move along. "closer" cuts
    the border off, and points there are missing; "farther" adds a white border. The paper says
    neither which of them its zoom of 5 % is nor whether it is of queries or of the gallery.
    """

    def __init__(self, model: FeatureModel, share: float = 0.05) -> None:
        super().__init__(model, ("original", "closer", "farther"))
        self.factor = 1 + share

    def features(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Iterator[Tensor]:
        """The features (B, F) of each variant, in their order."""
        yield self.model(images_BCHW, keypoints_BK3)
        # What is missing stays so: a point outside must not come in with the border.
        inside_BK3 = visible_inside(keypoints_BK3)
        for scale in (1 / self.factor, self.factor):
            matrix_B23 = scale * torch.eye(2, 3, device=images_BCHW.device)
            matrix_B23 = matrix_B23.expand(len(images_BCHW), -1, -1)
            zoomed_BCHW = warp(images_BCHW - 1, matrix_B23) + 1
            yield self.model(zoomed_BCHW, move(inside_BK3, matrix_B23))
