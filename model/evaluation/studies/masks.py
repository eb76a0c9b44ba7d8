"""Features of fewer tokens: what a share of them tells about a person (paper B.9, Table 13).

The paper's models that have learned with a constant number of tokens do badly with all of them.
Here one model is seen at several numbers: where it works, and where not.

Shape suffixes: B batch, C channels, H, W image sides, K keypoints, T candidate patches, F feature
size.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from torch import Tensor

from model.evaluation.studies.seeds import image_seeds
from model.evaluation.studies.study import Study
from model.random_numbers import uniform
from model.sapiensid.masking import first_tokens
from model.sapiensid.sapiensid import SapiensID

SHARES = (0.25, 0.33, 0.5, 0.67, 0.8, 1.0)


class TokenCounts(Study):
    """The feature of a share of each image's own tokens; the mask token stands for the rest.

    Tokens are kept by chance, by a hash of the image's keypoints, and those of a share are among
    those of a greater one. No image loses its finest patches first, as some do in training.

    Raises ValueError for a share that is not in (0, 1].
    """

    model: SapiensID

    def __init__(self, model: SapiensID, shares: Sequence[float] = SHARES) -> None:
        if not all(0 < share <= 1 for share in shares):
            raise ValueError(f"shares of tokens must be in (0, 1], not {tuple(shares)}")
        super().__init__(model, [f"{100 * share:g}%" for share in shares])
        self.shares = tuple(shares)

    def features(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Iterator[Tensor]:
        """The features (B, F) of each variant, in their order."""
        noise_BT = uniform(image_seeds(keypoints_BK3), self.model.slots)
        for share in self.shares:
            choose = partial(share_of_tokens, noise_BT=noise_BT, share=share)
            yield self.model.head(self.model.encode(images_BCHW, keypoints_BK3, choose=choose))


def share_of_tokens(kept_BT: Tensor, noise_BT: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """A share of each image's candidates, one at least, as first_tokens returns them.

    Those with the smallest of the uniform numbers `noise_BT` are taken.
    """
    count_B1 = (share * kept_BT.sum(1, keepdim=True)).round().clamp_min(1)
    # Others than candidates come last; a stable order does not depend on the batch.
    order_BT = noise_BT.where(kept_BT, 1).argsort(dim=1, stable=True)
    chosen_BT = kept_BT & (order_BT.argsort(1) < count_B1)
    return first_tokens(chosen_BT, int(chosen_BT.sum(1).max()))
