"""Clips: one feature for the frames of a track, by every head."""

import pytest
import torch

from model import SapiensID
from model.sapiensid.heads.choice import HEADS
from model.sapiensid.sapiensid import PRESETS

SMALL = {"depth": 1, "width": 32, "heads": 2, "feature_dim": 16, "image_size": 96, "grid": 4}


def made(head: str) -> SapiensID:
    torch.manual_seed(0)
    model = SapiensID(**{**PRESETS["tiny"], **SMALL}, head=head, keypoint_bias=16).eval()
    with torch.no_grad():  # as after some training: nothing is zero by its start alone
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def frames(count: int, clips: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(count)
    images = torch.rand(clips, count, 3, 96, 96, generator=random) * 2 - 1
    points = torch.rand(clips, count, 19, 3, generator=random)
    points[..., 2] = 1
    return images, points


@pytest.mark.parametrize("head", HEADS)
@torch.no_grad()
def test_one_frame_is_an_image(head: str) -> None:
    model, (images, points) = made(head), frames(1)
    points[0, 0, 7:] = 0
    assert torch.equal(model.clip(images, points), model(images[:, 0], points[:, 0]))


@pytest.mark.parametrize("head", HEADS)
@torch.no_grad()
def test_neither_order_nor_absent_frames_matter(head: str) -> None:
    model, (images, points) = made(head), frames(3)
    feature = model.clip(images, points, tokens=48)
    turned = model.clip(images.flip(1), points.flip(1), tokens=48)
    torch.testing.assert_close(turned, feature, rtol=1e-4, atol=1e-5)
    there = torch.tensor([[True, True, False], [True, True, True]])
    images[0, 2] = 0.3
    some = model.clip(images, points, there, tokens=48)
    torch.testing.assert_close(
        some[:1], model.clip(images[:1, :2], points[:1, :2], tokens=48), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(some[1], feature[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", [head for head in HEADS if head not in ("pooled", "mapped")])
@torch.no_grad()
def test_a_part_comes_from_the_frames_that_show_it(head: str) -> None:
    model, (images, points) = made(head), frames(2, clips=1)
    whole = model.clip(images, points)
    points[0, 1, 9:] = 0  # the second frame shows no arms and legs
    mixed = model.clip(images, points)
    points[0, :, 9:] = 0
    none = model.clip(images, points)
    assert (mixed - whole).abs().max() > 1e-4 and (mixed - none).abs().max() > 1e-4


def test_what_is_no_clip_is_told() -> None:
    model, (images, points) = made("pooled"), frames(2)
    with pytest.raises(ValueError, match="clips must be"):
        model.clip(images[:, 0], points)
    with pytest.raises(ValueError, match="every clip must have a frame"):
        model.clip(images, points, torch.zeros(2, 2, dtype=torch.bool))
