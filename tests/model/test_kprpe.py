import torch
from hypothesis import given
from hypothesis import strategies as st

from model.kprpe import BUCKETS, LandmarkBias, axis_bucket, bucket_map, grid_centres, lookup_bias

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


def test_lookup_takes_the_querys_entry() -> None:
    torch.manual_seed(0)
    table_BNHK, ids_BNN = torch.randn(2, 5, 3, 7), torch.randint(7, (2, 5, 5))
    shared, own = lookup_bias(table_BNHK, ids_BNN[0]), lookup_bias(table_BNHK, ids_BNN)
    for b, h, i, j in torch.cartesian_prod(*map(torch.arange, (2, 3, 5, 5))).tolist():
        assert shared[b, h, i, j] == table_BNHK[b, i, h, ids_BNN[0, i, j]]
        assert own[b, h, i, j] == table_BNHK[b, i, h, ids_BNN[b, i, j]]


def test_grid_runs_row_by_row() -> None:
    assert grid_centres(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


def test_landmark_bias_starts_at_zero_and_then_follows_the_landmarks() -> None:
    torch.manual_seed(0)
    bias = LandmarkBias(side=4, landmarks=5, depth=3, heads=2)
    context = bias.context(torch.rand(2, 5, 2))
    assert context.shape == (2, 16, 10)
    assert not bias.block_bias(context, 2).any()
    torch.nn.init.normal_(bias.weight)
    one = bias.block_bias(context, 1)
    assert one.shape == (2, 2, 16, 16)
    assert not torch.allclose(one[0], one[1])
    assert not torch.allclose(one, bias.block_bias(context, 2))


def test_gradient_reaches_only_the_blocks_own_rows() -> None:
    bias = LandmarkBias(side=4, landmarks=5, depth=3, heads=2)
    bias.block_bias(bias.context(torch.rand(2, 5, 2)), 1).square().add(1).log().sum().backward()
    assert bias.weight.grad is not None and bias.weight.grad.shape == (3 * 2 * BUCKETS, 10)
    bias.zero_grad()
    torch.manual_seed(0)
    out = bias.block_bias(bias.context(torch.rand(2, 5, 2)), 1)
    (out * torch.randn_like(out)).sum().backward()
    touched = bias.weight.grad.unflatten(0, (3, -1)).flatten(1).any(1)
    assert touched.tolist() == [False, True, False]
