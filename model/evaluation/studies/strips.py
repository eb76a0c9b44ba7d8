"""Images with some horizontal strips only: the others are white (paper B.5, Table 11).

Shape suffixes: B batch, C channels, H, W image sides, K keypoints, F feature size.
"""

from collections.abc import Iterator

from torch import Tensor

from model.evaluation.studies.study import Study
from model.features.extract import FeatureModel
from model.sapiensid.retina_patch import content

STRIPS = 8
_WHITE = 1.0


class StripErasing(Study):
    """Eight strips of equal height, to a pixel row, come back from the top, then from the bottom.

    The strips divide the picture without its white padding, else those of a wide picture would be
    padding alone; the paper does not say. Keypoints stay those of the whole image. An erased strip
    looks like padding and is treated as such: the patches there are candidates unless the model
    drops padding in evaluation too (`padding="always"`). "none" is a white image.
    """

    def __init__(self, model: FeatureModel) -> None:
        self.counts = range(1, STRIPS)
        top, bottom = ([f"{end} {count}" for count in self.counts] for end in ("top", "bottom"))
        super().__init__(model, ("none", *top, "full", *bottom))

    def features(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Iterator[Tensor]:
        """The features (B, F) of each variant, in their order."""
        strip_BH = strips(images_BCHW)
        visible = [strip_BH < count for count in (0, *self.counts, STRIPS)]
        visible += [strip_BH >= STRIPS - count for count in self.counts]
        for visible_BH in visible:
            shown_BCHW = images_BCHW.where(visible_BH[:, None, :, None], _WHITE)
            yield self.model(shown_BCHW, keypoints_BK3)


def strips(images_BCHW: Tensor) -> Tensor:
    """Which strip, 0 to 7 from the top, each row is in (B, H); padding is in the nearest one."""
    rows_BH, _ = content(images_BCHW)
    # A picture's rows are one run, so this is each row's place in it.
    place_BH = (rows_BH.cumsum(1) - 1).clamp_min(0)
    height_B1 = rows_BH.sum(1, keepdim=True).clamp_min(1)
    return place_BH * STRIPS // height_B1
