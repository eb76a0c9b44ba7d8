import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from model.losses import AdaFace, PartialFC
from model.losses.partial_fc import class_range

WIDTH = 8


def head(classes: int, rate: float = 1.0) -> PartialFC:
    return PartialFC(WIDTH, classes, AdaFace(), rate)


def used(fc: PartialFC, targets: Tensor, seed: int) -> list[int]:
    """The classes in use in a step."""
    rows_S, excluded_S = fc.sample(targets, seed)
    return rows_S[excluded_S == 0].tolist()


def batch(size: int, classes: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(size)
    features_BD = torch.randn(size, WIDTH, generator=random) * 20
    return features_BD.requires_grad_(), torch.randint(classes, (size,), generator=random)


@given(st.integers(1, 300), st.integers(1, 20))
def test_ranks_own_all_classes_in_even_runs(classes: int, ranks: int) -> None:
    owned = [class_range(classes, rank, ranks) for rank in range(ranks)]
    assert [c for own in owned for c in own] == list(range(classes))
    sizes = [len(own) for own in owned]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] - sizes[-1] <= 1


@given(
    st.lists(st.integers(-1, 59), min_size=1, max_size=70), st.floats(0.01, 1.0), st.integers(0, 99)
)
def test_in_use_are_the_targets_and_what_the_step_draws(
    targets: list[int], rate: float, seed: int
) -> None:
    fc, targets_G = head(60, rate), torch.tensor(targets)
    rows_S, excluded_S = fc.sample(targets_G, seed)
    assert len(rows_S) == len(excluded_S) == fc.capacity(len(targets))
    assert rows_S.tolist() == sorted(set(rows_S.tolist())) and {*rows_S.tolist()} <= {*range(60)}
    assert set(excluded_S.tolist()) <= {0.0, -math.inf}
    drawn = used(fc, torch.tensor([-1]), seed)
    assert used(fc, targets_G, seed) == sorted({*drawn, *targets} - {-1})


def test_the_share_of_classes_in_use_is_the_rate() -> None:
    """Over steps for each class, and over classes for each step; steps draw independently."""
    fc, steps = head(50, 0.2), 2000
    in_use = torch.zeros(steps, 50)
    for seed in range(steps):
        in_use[seed, used(fc, torch.tensor([7, -1]), seed)] = 1
    assert in_use[:, 7].all()
    free = torch.cat([in_use[:, :7], in_use[:, 8:]], 1)
    deviation = (0.2 * 0.8) ** 0.5
    assert (free.mean(0) - 0.2).abs().max() < 4.5 * deviation / steps**0.5
    assert abs(free.mean().item() - 0.2) < 4 * deviation / free.numel() ** 0.5
    assert free.sum(1).std().item() == pytest.approx(deviation * 49**0.5, rel=0.1)
    agreement = (free[1:] == free[:-1]).float().mean().item()
    assert agreement == pytest.approx(0.2**2 + 0.8**2, abs=0.01)


@pytest.mark.parametrize(("classes", "rate"), [(5000, 0.1), (300, 0.003)])
def test_there_is_room_for_every_draw(classes: int, rate: float) -> None:
    """And not much more than that: what has no room would depend on the number of ranks."""
    fc, targets_G = head(classes, rate), torch.arange(min(classes, 20))
    most = max(len(used(fc, targets_G, seed)) for seed in range(300))
    assert most < fc.capacity(20)
    assert fc.capacity(20) < 2 * (rate * classes + 20)


def test_sampled_loss_is_a_softmax_over_the_classes_in_use() -> None:
    features_BD, labels_B = batch(4, 30)
    fc = head(30, 0.3)
    rows_S = torch.tensor(used(fc, labels_B, seed=5))
    assert len(rows_S) < fc.capacity(4)
    loss = fc(features_BD, labels_B, seed=5)
    loss.backward()
    assert torch.equal(fc.weight.grad.any(1).nonzero()[:, 0], rows_S)

    margin, norms_B = AdaFace(), features_BD.detach().norm(dim=1)
    margin.update(norms_B)
    cosines_BS = F.normalize(features_BD.detach()) @ F.normalize(fc.weight.detach()[rows_S]).T
    target_B = (rows_S == labels_B[:, None]).int().argmax(1)
    expected = F.cross_entropy(margin(cosines_BS, norms_B, target_B), target_B)
    torch.testing.assert_close(loss.detach(), expected)


def test_evaluation_uses_every_class_and_leaves_the_statistics() -> None:
    features_BD, labels_B = batch(4, 30)
    few, all_ = head(30, 0.3).eval(), head(30).eval()
    assert torch.equal(few(features_BD, labels_B), all_(features_BD, labels_B))
    assert few.margin.batch_mean.item() == 20.0


def test_autocast_changes_nothing() -> None:
    features_BD, labels_B = batch(6, 30)
    plain, mixed = head(30), head(30)
    expected = plain(features_BD, labels_B)
    with torch.autocast("cpu", torch.bfloat16):
        loss = mixed(features_BD, labels_B)
    assert torch.equal(loss, expected)
    expected.backward()
    loss.backward()
    assert torch.equal(plain.weight.grad, mixed.weight.grad)
    # What a backbone under autocast may put out: the cosines are still those of float32.
    half = head(30)(features_BD.bfloat16(), labels_B)
    assert torch.equal(half, head(30)(features_BD.bfloat16().float(), labels_B))


def test_a_step_never_looks_at_values_on_the_device() -> None:
    # On a fake device any such look is an error; on a real one it would stall the step.
    with FakeTensorMode(), torch.device("cuda"):
        fc = PartialFC(WIDTH, 30, AdaFace(), 0.3)
        loss = fc(torch.randn(4, WIDTH), torch.zeros(4, dtype=torch.int64), seed=1)
    assert loss.device.type == "cuda"


@pytest.mark.gpu
def test_a_step_does_not_wait_for_the_gpu() -> None:
    features_BD, labels_B = (x.detach().cuda().clone() for x in batch(6, 30))
    fc = PartialFC(WIDTH, 30, AdaFace().cuda(), 0.3, device="cuda")
    fc(features_BD, labels_B, seed=1).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        fc(features_BD, labels_B, seed=2).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_rows_depend_on_seed_and_class_alone() -> None:
    small, large = head(5).weight, head(4000).weight
    assert torch.equal(small, large[:5])
    assert large.std().item() == pytest.approx(0.01, rel=0.02)
    assert not torch.equal(small, PartialFC(WIDTH, 5, AdaFace(), seed=1).weight)


@pytest.mark.parametrize("label", [-1, 30])
def test_label_out_of_range_is_told(label: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 29"):
        head(30)(torch.randn(2, WIDTH), torch.tensor([0, label]))


@pytest.mark.parametrize(
    ("features", "labels"),
    [((2, 7), (2,)), ((2, WIDTH), (3,)), ((0, WIDTH), (0,)), ((2, WIDTH), (2, 1))],
)
def test_misshapen_input_is_told(features: tuple[int, ...], labels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected features \(B, 8\)"):
        head(30)(torch.randn(features), torch.zeros(labels, dtype=torch.int64))
    with pytest.raises(ValueError, match="int64"):
        head(30)(torch.randn(2, WIDTH), torch.zeros(2))


def test_impossible_settings_are_told() -> None:
    for rate in (0.0, 1.1):
        with pytest.raises(ValueError, match="rate"):
            head(30, rate)
    with pytest.raises(ValueError, match="0 classes"):
        head(0)
    with pytest.raises(ValueError, match="needs the step's seed"):
        head(30, 0.3)(*batch(4, 30))
