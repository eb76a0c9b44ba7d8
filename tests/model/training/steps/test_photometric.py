import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from model.training.steps.augment import Augment
from model.training.steps.photometric import recolour, soften
from tests.model.sapiensid.people import standing

STILL = {"zoom": (1, 1), "aspect": (1, 1), "shift": 0, "flip": 0, "face_zoom": 0}


def pictures(count: int, side: int = 48) -> Tensor:
    """Noise in dark colours, counted from white, between white columns at both sides."""
    images = -2 + 1.2 * torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))
    images[..., :8] = images[..., -8:] = 0
    return images


def changed(images: Tensor, **shares: float) -> Tensor:
    return Augment(**STILL, **shares)(images, standing(len(images)), torch.arange(len(images)))[0]


def test_by_default_colours_stay() -> None:
    images = pictures(4)
    torch.testing.assert_close(changed(images), images, atol=1e-5, rtol=0)


def test_factors_of_one_change_nothing() -> None:
    images, ones = pictures(4), torch.ones(4)
    torch.testing.assert_close(recolour(images, ones, ones, ones), images, atol=1e-6, rtol=0)
    torch.testing.assert_close(soften(images, ones, 0.2), images)


def test_each_change_is_torchvisions() -> None:
    images = pictures(3)[..., 8:-8]  # without padding
    light, ones = images / 2 + 1, torch.ones(3)
    factors = torch.tensor([0.5, 0.9, 1.4])
    arguments = {"brightness_B": ones, "contrast_B": ones, "saturation_B": ones}
    for name, change in (
        ("brightness_B", transforms.adjust_brightness),
        ("contrast_B", transforms.adjust_contrast),
        ("saturation_B", transforms.adjust_saturation),
    ):
        ours = recolour(images, **{**arguments, name: factors}) / 2 + 1
        for image, factor, found in zip(light, factors.tolist(), ours, strict=True):
            # Their gray has other digits: 0.2989, 0.587, 0.114.
            torch.testing.assert_close(found, change(image, factor), atol=2e-4, rtol=0)


def test_less_resolution_is_less_detail_and_the_mean_stays() -> None:
    images = pictures(1)[..., 8:-8].repeat(5, 1, 1, 1)
    soft = soften(images, torch.tensor([1.0, 0.7, 0.5, 0.25, 0.2]), 0.2)
    spread = soft.std((1, 2, 3)).tolist()
    assert spread == sorted(spread, reverse=True) and spread[4] < 0.3 * spread[0]
    torch.testing.assert_close(soft.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=0.01, rtol=0)
    half = torch.nn.functional.avg_pool2d(images[2:3], 2)
    large = torch.nn.functional.interpolate(half, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(soft[2:3], large)


def test_padding_stays_white() -> None:
    images = pictures(20)
    new = changed(images, colour=1.0, grayscale=0.5, blur=1.0)
    assert (new[..., :8] == 0).all() and (new[..., -8:] == 0).all()
    assert (new[..., 8:-8] != images[..., 8:-8]).float().mean() > 0.95
    assert new.min() >= -2 and new.max() <= 0
    white = torch.zeros(2, 3, 16, 16)
    assert torch.equal(changed(white, colour=1.0, blur=1.0), white)


def test_as_many_images_are_changed_as_asked_within_the_range() -> None:
    images = torch.full((4000, 3, 2, 2), -1.2)
    images[:, 0] = -1.6
    flat = changed(images, colour=0.3, colour_change=0.2)[..., 0, 0]
    # The brightness of an even image is what is left of its gray: contrast is around it.
    gray = 1 + (flat * torch.tensor([0.299, 0.587, 0.114])).sum(1) / 2
    before = 1 - (1.6 * 0.299 + 1.2 * 0.701) / 2
    is_changed = (flat - images[..., 0, 0]).abs().amax(1) > 1e-5
    assert is_changed.float().mean().item() == pytest.approx(0.3, abs=0.03)
    factor = gray / before
    assert 0.8 - 1e-4 <= factor.min() < 0.81 and 1.19 < factor.max() <= 1.2 + 1e-4
    spread = (flat.amax(1) - flat.amin(1)) / factor / 0.4
    assert 0.6 < spread.min() < 0.7 and 1.35 < spread.max() < 1.5  # 0.8 to 1.2 squared


def test_as_many_images_lose_their_colours_and_detail_as_asked() -> None:
    images = pictures(1000, side=24)[..., 8:-8]
    gray = changed(images, grayscale=0.2)
    is_gray = (gray.amax(1) - gray.amin(1)).amax((1, 2)) < 1e-5
    assert is_gray.float().mean().item() == pytest.approx(0.2, abs=0.05)
    torch.testing.assert_close(gray[~is_gray], images[~is_gray], atol=1e-5, rtol=0)
    soft = changed(images, blur=0.4)
    is_soft = (soft - images).abs().amax((1, 2, 3)) > 1e-4
    assert is_soft.float().mean().item() == pytest.approx(0.4, abs=0.06)


def test_an_images_changes_belong_to_its_seed() -> None:
    images, points, seeds = pictures(6), standing(6), torch.arange(6)
    augment = Augment(colour=1.0, grayscale=0.3, blur=0.5)
    whole = augment(images, points, seeds)[0]
    assert torch.equal(augment(images, points, seeds)[0], whole)
    part = augment(images[2:4], points[2:4], seeds[2:4])[0]
    torch.testing.assert_close(part, whole[2:4], atol=1e-6, rtol=0)
    assert not torch.equal(augment(images, points, seeds + 6)[0], whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"colour": 1.5}, "colour must be in"),
        ({"colour_change": -0.1}, "colour_change must be in"),
        ({"resolution": 0}, "resolution must be in"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augment(**arguments)
