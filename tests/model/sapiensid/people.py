"""Random people for the model's tests: images, and keypoints as a detector might give them."""

import torch
from hypothesis import strategies as st
from torch import Tensor

from model import SapiensID
from model.sapiensid.sapiensid import PRESETS


def tiny(**arguments: object) -> SapiensID:
    """A tiny model whose KP-RPE, which starts as nothing, has weights."""
    torch.manual_seed(0)
    model = SapiensID(**{**PRESETS["tiny"], **arguments})
    if model.keypoint_bias is not None:
        torch.nn.init.normal_(model.keypoint_bias.table.weight, std=0.05)
    return model.eval()


def standing(count: int, seed: int = 0, missing: float = 0.2) -> Tensor:
    """Keypoints (count, 19, 3) of upright people of different sizes and places."""
    random = torch.Generator().manual_seed(seed)
    heights = [0, -0.1, -0.1, 0.1, 0.1, -0.05, -0.05, 0.6, 0.6, 1.2, 1.2, 1.7, 1.7, 1.6, 1.6]
    heights += [2.5, 2.5, 3.3, 3.3]
    widths = [0, 0.1, -0.1, 0.1, -0.1, 0.2, -0.2, 0.5, -0.5, 0.6, -0.6, 0.6, -0.6, 0.3, -0.3]
    widths += [0.3, -0.3, 0.3, -0.3]
    body_K2 = torch.tensor([widths, heights]).T
    scale_B = 0.05 + 0.5 * torch.rand(count, 1, 1, generator=random) ** 2
    nose_B2 = 0.25 + 0.5 * torch.rand(count, 1, 2, generator=random)
    noise_BK2 = 0.1 * torch.rand(count, 19, 2, generator=random)
    points_BK2 = nose_B2 + scale_B * (body_K2 + noise_BK2)
    seen_BK1 = (torch.rand(count, 19, 1, generator=random) >= missing).float()
    return torch.cat([points_BK2, seen_BK1], -1)


def images(count: int, seed: int = 0) -> Tensor:
    """Noise (count, 3, 384, 384) in [-1, 1], smooth enough that neighbouring patches differ."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 24, 24, generator=random) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (384, 384), mode="bilinear")


#: Any 19 points, far outside the image too, seen or not.
KEYPOINTS = st.lists(
    st.tuples(
        st.floats(-0.5, 1.5, width=32), st.floats(-0.5, 1.5, width=32), st.sampled_from([0.0, 1.0])
    ),
    min_size=19,
    max_size=19,
).map(lambda rows: torch.tensor(rows)[None])
