"""Keypoints that the head misses in training though they are there.

A close-up has no body parts, and where a detector fails a full body misses some. A head that has
seen features of the same people without them does not depend on which parts an image shows.

Shape suffixes: B batch, K keypoints, X uniform numbers.
"""

from torch import Tensor

from webbody.skeleton import FACE

#: The head: face and ears. Everything below goes as in a close-up.
_HEAD = len(FACE) + 2
#: Share of the keypoints that go one by one in the other half of the images.
_SINGLE = 0.3


def dropped(visible_BK: Tensor, noise_BX: Tensor, share: float) -> Tensor:
    """Which keypoints (B, K) the head sees; noise_BX: K + 2 uniform numbers of each image."""
    is_dropped_B1 = noise_BX[:, :1] < share
    as_close_up_B1 = noise_BX[:, 1:2] < 0.5
    single_BK = noise_BX[:, 2:] < _SINGLE
    below_BK = single_BK.new_ones(single_BK.shape)
    below_BK[:, :_HEAD] = False
    gone_BK = is_dropped_B1 & (as_close_up_B1 & below_BK | ~as_close_up_B1 & single_BK)
    return visible_BK & ~gone_BK
