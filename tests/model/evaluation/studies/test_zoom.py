"""Zoom: dots are drawn at keypoints, and found again where the keypoints went."""

import pytest
import torch
from torch import Tensor

from model.evaluation.studies.zoom import Zoom
from tests.model.evaluation.studies.captured import Kept, people

SIDE = 96
TICKS = (torch.arange(SIDE) + 0.5) / SIDE


def dotted(points_B2: Tensor) -> Tensor:
    """White images (B, 3, 96, 96) with a dark, soft dot at the point."""
    x, y = points_B2[:, 0, None, None], points_B2[:, 1, None, None]
    near = torch.exp(-((TICKS - x) ** 2 + (TICKS[:, None] - y) ** 2) / (2 * 0.03**2))
    return 1 - 2 * near[:, None].expand(-1, 3, -1, -1)


def dots(images: Tensor) -> Tensor:
    """Where the dots are (B, 2): their centres of darkness."""
    dark = (1 - images[:, 0]) / 2
    mass = dark.sum((1, 2))
    return torch.stack([(dark.sum(1) @ TICKS) / mass, (dark.sum(2) @ TICKS) / mass], 1)


def zoomed(images: Tensor, keypoints: Tensor, share: float) -> list[tuple[Tensor, Tensor]]:
    model = Kept()
    study = Zoom(model, share)
    study(images, keypoints)
    assert study.variants == ("original", "closer", "farther")
    assert model.calls[0][0] is images and model.calls[0][1] is keypoints
    return model.calls[1:]


@pytest.mark.parametrize("share", [0.05, 0.25])
def test_keypoints_move_with_the_pixels(share: float) -> None:
    random = torch.Generator().manual_seed(0)
    places = 0.25 + 0.5 * torch.rand(20, 2, generator=random)
    images, keypoints = dotted(places), torch.zeros(20, 19, 3)
    keypoints[:, 8] = torch.cat([places, torch.ones(20, 1)], 1)
    for (seen, points), factor in zip(
        zoomed(images, keypoints, share), (1 + share, 1 / (1 + share)), strict=True
    ):
        torch.testing.assert_close(dots(seen), points[:, 8, :2], atol=2e-3, rtol=0)
        torch.testing.assert_close(points[:, 8, :2], 0.5 + factor * (places - 0.5))
        grown = (1 - seen).sum((1, 2, 3)) / (1 - images).sum((1, 2, 3))
        assert grown.tolist() == pytest.approx([factor**2] * 20, rel=0.01)
        assert points[:, 8, 2].all() and not points[:, :8].any() and not points[:, 9:].any()


def test_farther_has_a_white_border_and_closer_none() -> None:
    dark = -torch.ones(1, 3, SIDE, SIDE)
    (closer, _), (farther, _) = zoomed(dark, torch.zeros(1, 19, 3), share=0.2)
    torch.testing.assert_close(closer, dark)
    # 96 pixels become 80, so that 8 are white on each side.
    white = torch.ones(SIDE, SIDE, dtype=torch.bool)
    white[8:-8, 8:-8] = False
    assert (farther[0, :, white] == 1).all() and (farther[0, :, ~white] < 0).all()
    torch.testing.assert_close(farther[..., 9:-9, 9:-9], dark[..., 9:-9, 9:-9])


def test_points_leave_with_the_border_and_none_comes_in() -> None:
    keypoints = torch.zeros(1, 19, 3)
    keypoints[0, :4] = torch.tensor(
        [[0.5, 0.5, 1], [0.5, 0.99, 1], [1.01, 0.5, 1], [float("nan"), 0.5, 1]]
    )
    (_, closer), (_, farther) = zoomed(people(1)[0], keypoints, 0.05)
    assert closer[0, :, 2].tolist() == [1] + 18 * [0]
    assert farther[0, :, 2].tolist() == [1, 1] + 17 * [0]
    assert not closer[0, 1:].any() and not farther[0, 2:].any()
