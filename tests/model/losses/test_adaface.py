import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from model.losses import AdaFace

DATA = Path(__file__).parents[1] / "data" / "adaface"
NORMS = st.floats(0.0, 200.0)
COSINES = st.floats(-1.0, 1.0)


def logits(adaface: AdaFace, cosine: float, norm: float, target: int = 0) -> Tensor:
    """Logits of one sample of two classes with the same cosine, over the scale."""
    row = torch.full((1, 2), cosine, dtype=torch.float64)
    return adaface(row, torch.tensor([norm]), torch.tensor([target]))[0] / adaface.scale


@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_reference_over_three_steps(seed: int) -> None:
    golden = {k: torch.from_numpy(v) for k, v in np.load(DATA / f"adaface_seed{seed}.npz").items()}
    adaface = AdaFace(*(golden[name].item() for name in ("m", "h", "s", "t_alpha")))
    for step in range(3):
        feature_BD = golden[f"feature_{step}"].requires_grad_()
        kernel_DC = golden["kernel"].clone().requires_grad_()
        cosines_BC = F.normalize(feature_BD) @ F.normalize(kernel_DC, dim=0)
        norms_B, label_B = feature_BD.norm(dim=1), golden[f"label_{step}"]
        adaface.update(norms_B)
        logits_BC = adaface(cosines_BC, norms_B, label_B)
        loss = F.cross_entropy(logits_BC, label_B)
        loss.backward()
        found = {
            "logits": logits_BC,
            "loss": loss.double(),
            "grad_feature": feature_BD.grad,
            "grad_kernel": kernel_DC.grad,
            "batch_mean": adaface.batch_mean,
            "batch_std": adaface.batch_std,
        }
        for name, value in found.items():
            torch.testing.assert_close(value, golden[f"{name}_{step}"], atol=1e-4, rtol=0)


def spread() -> tuple[Tensor, Tensor, Tensor]:
    """Cosines (12, 5), norms of low to high quality, and targets within and beyond each clamp."""
    cosines_BC = torch.linspace(-0.9997, 0.9997, 30, dtype=torch.float64).reshape(6, 5)
    norms_B = torch.tensor([0.0, 5.0, 20.0, 60.0, 99.0, 300.0]).repeat(2)
    target_B = torch.tensor([1, 4, -1, -1, 3, 3, 0, 0, 0, 1, 2, 4])
    return cosines_BC.repeat(2, 1).requires_grad_(), norms_B, target_B


def test_exact_gradient_is_that_of_the_values() -> None:
    cosines_BC, norms_B, target_B = spread()
    adaface = AdaFace(h=30.0)  # qualities of both signs, up to the limits
    assert torch.autograd.gradcheck(lambda c: adaface(c, norms_B, target_B), (cosines_BC,))


def test_straight_through_differs_in_the_targets_gradient_alone() -> None:
    cosines_BC, norms_B, target_B = spread()
    exact, straight = AdaFace(h=30.0), AdaFace(h=30.0, gradient="straight-through")
    one, other = exact(cosines_BC, norms_B, target_B), straight(cosines_BC, norms_B, target_B)
    assert torch.equal(one, other)
    (exact_BC,) = torch.autograd.grad(one.sum(), cosines_BC)
    (straight_BC,) = torch.autograd.grad(other.sum(), cosines_BC)
    inside_BC = cosines_BC.abs() <= 0.999
    assert torch.equal(straight_BC, 64.0 * inside_BC)
    differs = (exact_BC != straight_BC).nonzero().tolist()
    assert differs and all(target_B[row] == column for row, column in differs)


@given(COSINES, NORMS)
def test_margin_lowers_the_target_and_nothing_else(cosine: float, norm: float) -> None:
    adaface = AdaFace()
    target, other = logits(adaface, cosine, norm)
    held = min(max(cosine, -0.999), 0.999)
    quality = adaface.quality(torch.tensor(norm)).item()
    assert other == pytest.approx(held)
    # The angular part gives back at most margin * q of what the additive part takes.
    assert target <= held - 0.4 * min(1.0, 1.0 + quality) + 1e-6
    assert logits(adaface, cosine, norm, target=-1).tolist() == pytest.approx([held, held])


@given(COSINES, NORMS, NORMS)
def test_a_better_image_has_the_harder_target(cosine: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    adaface = AdaFace()
    assert logits(adaface, cosine, high)[0] <= logits(adaface, cosine, low)[0] + 1e-6


@given(COSINES, COSINES, NORMS)
def test_a_nearer_target_has_the_higher_logit(one: float, other: float, norm: float) -> None:
    low, high = sorted((one, other))
    adaface = AdaFace()
    assert logits(adaface, low, norm)[0] <= logits(adaface, high, norm)[0] + 1e-6


@given(NORMS, st.floats(-0.9, 0.9))
def test_margins_at_the_landmarks_of_quality(norm: float, cosine: float) -> None:
    adaface = AdaFace(h=1e6)  # every norm but the mean is of the best or the worst quality
    assume(abs(norm - 20.0) > 1.0)
    angle, sign = math.acos(cosine), 1.0 if norm > 20.0 else -1.0
    expected = math.cos(min(max(angle - sign * 0.4, 1e-3), math.pi - 1e-3)) - 0.4 * (1 + sign)
    assert logits(adaface, cosine, norm)[0].item() == pytest.approx(expected, abs=1e-6)
    assert logits(adaface, cosine, 20.0)[0].item() == pytest.approx(cosine - 0.4, abs=1e-6)


@given(st.lists(st.floats(0.0, 1e6, width=32), min_size=1, max_size=5))
def test_statistics_follow_the_clipped_norms(norms: list[float]) -> None:
    adaface = AdaFace(momentum=0.25)
    adaface.update(torch.tensor(norms))
    clipped = np.clip(norms, 0.001, 100.0)
    std = np.std(clipped, ddof=1) if len(norms) > 1 else 100.0
    assert adaface.batch_mean.item() == pytest.approx(0.25 * np.mean(clipped) + 15.0, abs=1e-3)
    assert adaface.batch_std.item() == pytest.approx(0.25 * std + 75.0, abs=1e-3)


def test_norms_that_never_differ_do_not_divide_by_zero() -> None:
    adaface = AdaFace(momentum=1.0)
    adaface.update(torch.full((4,), 20.0))
    assert adaface.quality(torch.tensor([10.0, 20.0, 30.0])).tolist() == [-1.0, 0.0, 1.0]


def test_unknown_gradient_is_told() -> None:
    with pytest.raises(ValueError, match="straight-through"):
        AdaFace(gradient="none")
