"""Several gloo processes against the same steps on one process, written out plainly."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.model.losses.conftest import Runs
from tests.model.losses.ranks import CLASSES, MANY, RATE, RUN, batch, make_backbone


class FullSoftmax:
    """AdaFace with a full softmax in double precision, by the formulas."""

    def __init__(self) -> None:
        self.mean, self.std = torch.tensor([20.0]).double(), torch.tensor([100.0]).double()

    def loss(self, features_GD: Tensor, weight_CD: Tensor, labels_G: Tensor) -> Tensor:
        norms_G = features_GD.detach().norm(dim=1).clamp(1e-3, 100.0)
        self.mean = 0.3 * norms_G.mean() + 0.7 * self.mean
        self.std = 0.3 * norms_G.std() + 0.7 * self.std
        quality_G1 = (0.333 * (norms_G - self.mean) / (self.std + 1e-3)).clamp(-1, 1)[:, None]
        cosines_GC = F.normalize(features_GD) @ F.normalize(weight_CD).T
        one_hot_GC = F.one_hot(labels_G, len(weight_CD))
        angles_GC = cosines_GC.clamp(-0.999, 0.999).acos() - 0.4 * quality_G1 * one_hot_GC
        margined_GC = angles_GC.clamp(1e-3, math.pi - 1e-3).cos()
        logits_GC = 64 * (margined_GC - (0.4 + 0.4 * quality_G1) * one_hot_GC)
        return F.cross_entropy(logits_GC, labels_G)


def joined(parts: list[dict[str, Tensor]], name: str) -> Tensor:
    return torch.cat([part[name] for part in parts]).double()


def assert_near(found: Tensor, expected: Tensor) -> None:
    """Equal to 1e-5 of the largest entry."""
    error = (found.double() - expected).abs().max() / expected.abs().max()
    assert error.item() < 1e-5


def check_step(
    parts: list[dict[str, Tensor]],
    full: FullSoftmax,
    samples: tuple[Tensor, Tensor],
    classes: Tensor,
) -> None:
    ranks = len(parts)
    inputs_GX, labels_G = samples
    backbone = make_backbone().double()
    features_GD = backbone(inputs_GX.double())
    features_GD.retain_grad()
    weight_CD = joined(parts, "weight").requires_grad_()
    targets_G = torch.searchsorted(classes, labels_G)
    loss = full.loss(features_GD, weight_CD[classes], targets_G)
    loss.backward()
    for part in parts:
        assert torch.equal(part["loss"], parts[0]["loss"])
        assert_near(part["loss"], loss.detach())
        assert_near(part["mean"], full.mean)
        assert_near(part["std"], full.std)
        assert_near(part["backbone_grad"], backbone.weight.grad)
    # What DistributedDataParallel's mean over the ranks makes of them.
    assert_near(joined(parts, "features_grad") / ranks, features_GD.grad)
    assert_near(joined(parts, "head_grad"), weight_CD.grad)


@pytest.mark.parametrize("ranks", [2, 3])
def test_equals_a_full_softmax_at_every_batch_size(ranks: int, runs: Runs) -> None:
    full = FullSoftmax()
    for number, size in enumerate(RUN):
        parts = [result["steps"][number] for result in runs.trained[ranks]]
        check_step(parts, full, batch(number, size * ranks), torch.arange(CLASSES))


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_sampling_gives_the_softmax_over_the_same_classes_at_every_number_of_ranks(
    ranks: int, runs: Runs
) -> None:
    parts = runs.sampled[ranks]
    classes = torch.cat([part["classes"] for part in parts])
    assert torch.equal(classes, runs.sampled[1][0]["classes"])
    assert len(classes) == pytest.approx(RATE * MANY, rel=0.25)
    check_step(parts, FullSoftmax(), batch(9, 6, MANY), classes)


def test_first_weights_do_not_depend_on_the_ranks(runs: Runs) -> None:
    first = {n: [result["steps"][0] for result in results] for n, results in runs.trained.items()}
    assert torch.equal(joined(first[2], "weight"), joined(first[3], "weight"))


@pytest.mark.parametrize("ranks", [1, 3])
def test_another_number_of_ranks_goes_on_alike(ranks: int, runs: Runs) -> None:
    before, after = runs.trained[2], runs.resumed[ranks]
    for name in ("weight", "exp_avg", "exp_avg_sq"):
        one, other = ([result["kept"] for result in side] for side in (before, after))
        assert torch.equal(joined(one, name), joined(other, name))
    for result in after:
        for name in ("step", "mean", "std"):
            assert torch.equal(result["kept"][name], before[0]["kept"][name])
        assert_near(result["after"], before[0]["after"].double())
