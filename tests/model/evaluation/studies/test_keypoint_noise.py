"""Noise on keypoints: its distribution, and what it leaves alone."""

import pytest
import torch
from torch import Tensor

from model.evaluation.studies.keypoint_noise import KeypointNoise, with_noise
from tests.model.evaluation.studies.captured import Kept, people


def inside(count: int) -> Tensor:
    """Visible keypoints inside the image, by chance."""
    random = torch.Generator().manual_seed(0)
    points = torch.rand(count, 19, 2, generator=random)
    return torch.cat([points, torch.ones(count, 19, 1)], -1)


@pytest.mark.parametrize("sigma", [0.01, 0.2])
def test_noise_is_gaussian_and_independent(sigma: float) -> None:
    keypoints = inside(4000)
    noise = (with_noise(keypoints, sigma) - keypoints)[..., :2].double() / sigma
    numbers = noise.flatten(1)
    assert numbers.mean(0).abs().max() < 0.08
    assert numbers.std() == pytest.approx(1, abs=0.01)
    assert numbers.std(0).tolist() == pytest.approx([1] * 38, abs=0.06)
    # Shares within one, two and three standard deviations.
    within = [(numbers.abs() < limit).double().mean().item() for limit in (1, 2, 3)]
    assert within == pytest.approx([0.6827, 0.9545, 0.9973], abs=0.005)
    correlation = torch.corrcoef(numbers.T) - torch.eye(38)
    assert correlation.abs().max() < 0.08
    # Neither do lengths tell of one another: x and y are of one Box-Muller pair.
    squares = torch.corrcoef(numbers.square().T) - torch.eye(38)
    assert squares.abs().max() < 0.12


def test_missing_points_are_untouched() -> None:
    keypoints = inside(50)
    keypoints[:, 3, 2] = 0
    keypoints[:, 4] = 0
    keypoints[:, 5, 0] = 1.001
    keypoints[:, 6, 1] = torch.nan
    keypoints[:, 7, 1] = -1
    noisy = with_noise(keypoints, 0.01)
    torch.testing.assert_close(noisy[:, 3:8], keypoints[:, 3:8], rtol=0, atol=0, equal_nan=True)
    others = [*range(3), *range(8, 19)]
    assert (noisy[:, others, :2] != keypoints[:, others, :2]).any(-1).all()
    assert torch.equal(noisy[..., 2], keypoints[..., 2])


def test_noise_belongs_to_the_image() -> None:
    keypoints = inside(6)
    noise = with_noise(keypoints, 0.01) - keypoints
    order = torch.tensor([4, 1, 1, 0])
    assert torch.equal(with_noise(keypoints[order], 0.01) - keypoints[order], noise[order])
    assert len(noise.flatten(1).unique(dim=0)) == 6


def test_variants_differ_in_their_keypoints_alone() -> None:
    model, (images, keypoints) = Kept(), people(3)
    study = KeypointNoise(model, sigma=0.05)
    study(images, keypoints)
    assert study.variants == ("detected", "noisy")
    (first, detected), (second, noisy) = model.calls
    assert first is images and second is images and detected is keypoints
    assert torch.equal(noisy, with_noise(keypoints, 0.05))
