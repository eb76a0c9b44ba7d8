import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import flex_attention

from model.encoder import attend
from model.kprpe import BUCKETS, RelativeBias, axis_bucket, bucket_map

OFFSETS = st.integers(-200, 200)


def test_buckets_of_the_published_models() -> None:
    assert [axis_bucket(d) for d in range(14)] == [0, 1, 2, 2] + [3] * 10


@given(OFFSETS)
def test_buckets_are_odd_and_bounded(offset: int) -> None:
    assert axis_bucket(-offset) == -axis_bucket(offset)
    assert -3 <= axis_bucket(offset) <= 3


@given(OFFSETS, OFFSETS)
def test_buckets_are_monotone(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert axis_bucket(low) <= axis_bucket(high)


@given(st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), min_size=1, max_size=6))
def test_bucket_map_agrees_with_its_definition(cells: list[tuple[int, int]]) -> None:
    rows, columns = [c[0] for c in cells], [c[1] for c in cells]
    ids = bucket_map(rows, columns)
    for i, (query_row, query_column) in enumerate(cells):
        for j, (key_row, key_column) in enumerate(cells):
            row, column = axis_bucket(query_row - key_row), axis_bucket(query_column - key_column)
            assert ids[i, j] == (row + 3) * 7 + column + 3
    assert ids.min() >= 0
    assert ids.max() < BUCKETS
    # Swapping the axes transposes the 7 x 7 table: the convention of SapiensID's weights.
    assert torch.equal(bucket_map(columns, rows), ids % 7 * 7 + ids // 7)


def some_bias(cells: bool, keys: bool) -> RelativeBias:
    """Random tables of 2 samples, 5 tokens, 3 heads and 7 buckets."""
    torch.manual_seed(0)
    return RelativeBias(
        torch.randn(2, 5, 3, 7, requires_grad=True),
        torch.randint(7, (9, 9) if cells else (5, 5)),
        torch.randint(9, (2, 5)) if cells else None,
        torch.tensor([[0.0, 1, 2, 3, -torch.inf], [0, 0, -1, 0, 0]]) if keys else None,
    )


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("keys", [False, True])
def test_the_bias_is_the_querys_entry_plus_the_keys(cells: bool, keys: bool) -> None:
    bias = some_bias(cells, keys)
    dense = bias.dense()
    assert dense.shape == (2, 3, 5, 5)
    for b, h, i, j in torch.cartesian_prod(*map(torch.arange, (2, 3, 5, 5))).tolist():
        pair = (bias.cells_BN[b, i], bias.cells_BN[b, j]) if cells else (i, j)
        expected = bias.tables_BNHK[b, i, h, bias.buckets_CC[pair]]
        assert dense[b, h, i, j] == expected + (bias.keys_BN[b, j] if keys else 0)


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("keys", [False, True])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_looking_up_score_by_score_equals_the_dense_bias(cells: bool, keys: bool) -> None:
    bias = some_bias(cells, keys)
    q, k, v = torch.randn(3, 2, 3, 5, 4).unbind()
    upstream = torch.randn(2, 3, 5, 4)
    results = []
    for out in (
        attend(q, k, v, bias.dense()),
        flex_attention(q, k, v, score_mod=bias.add_to),
    ):
        (gradient,) = torch.autograd.grad(out, bias.tables_BNHK, upstream)
        results.append((out.detach(), gradient))
    (dense, dense_gradient), (looked_up, gradient) = results
    torch.testing.assert_close(looked_up, dense, atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient, dense_gradient, atol=1e-5, rtol=0)
