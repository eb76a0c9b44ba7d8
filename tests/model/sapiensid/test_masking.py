import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.encoder import EncoderBlock, attend
from model.sapiensid.masking import KeptTokens, first_tokens, mask_bias, random_tokens


def test_the_law_has_the_papers_figures() -> None:
    distribution = KeptTokens()
    assert (distribution.count(1.0), distribution.count(0.0)) == (112, 345)
    assert distribution.mean == pytest.approx(166.2, abs=0.05)
    draws = torch.rand(20000, generator=torch.Generator().manual_seed(0)).tolist()
    mean = sum(map(distribution.count, draws)) / len(draws)
    assert mean == pytest.approx(distribution.mean, abs=1.5)


@given(st.floats(0, 1), st.floats(0, 1))
def test_counts_fall_with_the_draw_and_stay_in_their_range(one: float, other: float) -> None:
    distribution = KeptTokens(min=10, max=50, decay=2)
    low, high = sorted((one, other))
    assert 50 >= distribution.count(low) >= distribution.count(high) >= 10


def test_a_constant_law_is_the_ablation_without_variable_counts() -> None:
    distribution = KeptTokens(min=146, max=146)
    assert {distribution.count(u) for u in (0.0, 0.3, 1.0)} == {146}
    assert distribution.mean == 146


@pytest.mark.parametrize("numbers", [(0, 5, 4), (6, 5, 4), (1, 5, 0), (1, 5, -1)])
def test_impossible_laws_are_refused(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="kept tokens need"):
        KeptTokens(*numbers)


@pytest.mark.parametrize("repeats", [1, 7, 288])
def test_one_mask_token_equals_many(repeats: int) -> None:
    """The paper's A.5: a bias of log m on a key is m copies of it, through a whole block."""
    torch.manual_seed(0)
    block = EncoderBlock(width=32, heads=4, mlp_ratio=3).double().eval()
    x = torch.randn(2, 9, 32, dtype=torch.float64)
    mask = torch.randn(2, 1, 32, dtype=torch.float64)
    bias = torch.zeros(2, 1, 1, 10, dtype=torch.float64)
    bias[..., -1] = mask_bias(torch.tensor([repeats, repeats]))[:, None, None].double()
    once = block(torch.cat([x, mask], 1), bias)
    many = block(torch.cat([x, mask.expand(-1, repeats, -1)], 1))
    torch.testing.assert_close(once, many[:, :10], atol=1e-5, rtol=0)


def test_mask_bias_counts_at_least_one() -> None:
    assert mask_bias(torch.tensor([0, 1, 40])).tolist() == pytest.approx([0, 0, math.log(40)])


def test_a_key_with_bias_minus_infinity_is_not_there() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, 6, 4).unbind()
    bias = torch.zeros(1, 1, 1, 6)
    bias[..., 4:] = -torch.inf
    torch.testing.assert_close(attend(q, k, v, bias), attend(q, k[:, :, :4], v[:, :, :4]))


def some_patches() -> torch.Tensor:
    """Which of 3 x 20 candidates 4 images keep."""
    kept = torch.rand(4, 60, generator=torch.Generator().manual_seed(1)) < 0.6
    kept[3] = False
    kept[3, :5] = True
    return kept


@given(st.integers(1, 60))
def test_first_tokens_are_the_kept_ones_in_order(count: int) -> None:
    kept = some_patches()
    ids, real = first_tokens(kept, count)
    assert ids.shape == real.shape == (4, count)
    for row in range(4):
        own = kept[row].nonzero()[:, 0].tolist()
        assert ids[row][real[row]].tolist() == own[:count]


@given(st.integers(1, 80), st.integers(0, 5))
def test_random_tokens_are_kept_ones_without_repeats(count: int, seed: int) -> None:
    torch.manual_seed(seed)
    kept = some_patches()
    ids, real = random_tokens(kept, count, 3, torch.rand(4, 60))
    assert ids.shape == (4, min(count, 60))
    for row in range(4):
        chosen = ids[row][real[row]].tolist()
        assert len(set(ids[row].tolist())) == ids.shape[1]
        assert kept[row, chosen].all()
        assert len(chosen) == min(count, int(kept[row].sum()))


def test_every_kept_token_is_as_likely() -> None:
    torch.manual_seed(0)
    kept = torch.zeros(1, 30, dtype=torch.bool)
    kept[0, ::3] = True
    ids, real = random_tokens(kept.expand(20000, -1), 4, 3, torch.rand(20000, 30))
    counts = torch.bincount(ids[real], minlength=30)[::3] / 20000
    assert counts.tolist() == pytest.approx([0.4] * 10, abs=0.02)


def test_coarse_first_images_lose_their_finest_patches() -> None:
    torch.manual_seed(0)
    kept = torch.ones(2, 60, dtype=torch.bool)
    ids, real = random_tokens(kept, 45, 3, torch.rand(2, 60), torch.tensor([True, False]))
    per_region = torch.stack([torch.bincount(row // 20, minlength=3) for row in ids])
    assert real.all()
    assert per_region[0].tolist() == [20, 20, 5]
    assert per_region[1, 2] > 5
