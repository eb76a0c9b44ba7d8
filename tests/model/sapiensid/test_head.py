import pytest
import torch
import torch.nn.functional as F

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.parts import LAMBDA, DifferentialAttention
from model.sapiensid.heads.pooled import PooledHead
from model.sapiensid.heads.semantic import SemanticHead

WIDTH, TOKENS, POINTS = 16, 11, 5


def batch(count: int = 3, seed: int = 0) -> Encoded:
    """What a head takes: tokens, their positions, which are real, places of the keypoints."""
    random = torch.Generator().manual_seed(seed)
    real = torch.ones(count, TOKENS, dtype=torch.bool)
    real[1:, -3:] = False
    seen = torch.rand(count, POINTS, generator=random) < 0.7
    return Encoded(
        tokens_BND=torch.randn(count, TOKENS, WIDTH, generator=random),
        positions_BND=torch.randn(count, TOKENS, WIDTH, generator=random),
        ids_BN=torch.arange(TOKENS).expand(count, -1),
        mask_BN=real,
        boxes_BR4=torch.zeros(count, 3, 4),
        keypoint_positions_BKD=torch.randn(count, POINTS, WIDTH, generator=random),
        visible_BK=seen,
    )


def head(**arguments: object) -> SemanticHead:
    torch.manual_seed(0)
    return SemanticHead(WIDTH, POINTS, 8, **arguments).eval()


def test_differential_attention_is_the_difference_of_two_maps() -> None:
    torch.manual_seed(0)
    attention, given = DifferentialAttention(WIDTH), batch()
    queries, keys, values = given.keypoint_positions_BKD, given.positions_BND, given.tokens_BND
    real = torch.ones_like(given.mask_BN)
    q1, q2 = attention.q(queries).chunk(2, -1)
    k1, k2 = attention.k(keys).chunk(2, -1)
    share = torch.exp(attention.lambda_q1 @ attention.lambda_k1)
    share = share - torch.exp(attention.lambda_q2 @ attention.lambda_k2) + LAMBDA
    first = (q1 @ k1.mT / (WIDTH // 2) ** 0.5).softmax(-1)
    second = (q2 @ k2.mT / (WIDTH // 2) ** 0.5).softmax(-1)
    maps = first - share * second
    torch.testing.assert_close(attention.maps(queries, keys, real), maps)
    pooled = maps @ attention.v(values)
    normed = pooled / (pooled.square().mean(-1, keepdim=True) + 1e-5).sqrt() * (1 - LAMBDA)
    torch.testing.assert_close(attention(queries, keys, values, real), attention.out(normed))
    assert pytest.approx(0.3555, abs=1e-4) == LAMBDA


@pytest.mark.parametrize("peak", ["top1", "softmax"])
def test_padding_changes_nothing(peak: str) -> None:
    model, given = head(peak=peak), batch()
    with torch.no_grad():
        features = model(given)
        given.tokens_BND[1:, -3:] = 1e3
        given.positions_BND[1:, -3:] = given.positions_BND[1:, :1]
        torch.testing.assert_close(model(given), features)
        values = (value[1:] for value in given if value is not None)
        short = Encoded(*(v[:, :-3] if v.shape[1] == TOKENS else v for v in values))
        torch.testing.assert_close(model(short), features[1:])


@pytest.mark.parametrize("peak", ["top1", "softmax"])
def test_missing_keypoints_have_no_parts(peak: str) -> None:
    model, given = head(peak=peak), batch()
    parts = model.parts(given)
    assert parts.shape == (3, 2 * POINTS * 4, WIDTH)
    per_point = parts.view(3, 2, POINTS, 4, WIDTH).abs().amax((1, 3, 4))
    assert torch.equal(per_point > 0, given.visible_BK)
    given = given._replace(visible_BK=torch.zeros_like(given.visible_BK))
    features = model(given)
    assert torch.isfinite(features).all()
    torch.testing.assert_close(features[0], features[1])


def test_peak_is_the_token_nearest_by_position() -> None:
    model, given = head(), batch()
    queries = model.queries(given.keypoint_positions_BKD)
    cosine = F.cosine_similarity(queries[:, :, None], given.positions_BND[:, None], dim=-1)
    cosine[1:, :, -3:] = -2
    best = cosine.argmax(-1)
    expected = torch.stack([t[i] for t, i in zip(given.tokens_BND, best, strict=True)])
    peaks = model.parts(given)[:, POINTS * 4 :]
    seen = given.visible_BK.repeat_interleave(4, 1)
    torch.testing.assert_close(peaks[seen], expected[seen])


def test_softmax_peak_is_attention_without_weights() -> None:
    model, given = head(peak="softmax"), batch(count=1)
    given.visible_BK[:] = True
    logits = model.queries(given.keypoint_positions_BKD) @ given.positions_BND.mT / WIDTH**0.5
    peaks = model.parts(given)[:, POINTS * 4 :]
    torch.testing.assert_close(peaks, logits.softmax(-1) @ given.tokens_BND)


def test_part_weights_belong_to_data_sets() -> None:
    model, given = head(datasets=3), batch()
    with torch.no_grad():
        model.part_weights.normal_()
        by_set = model(given, datasets_B=torch.tensor([0, 1, 2]))
        default = model(given)
        torch.testing.assert_close(by_set[0], default[0])
        assert not torch.allclose(by_set[1], default[1])
        mean = head(datasets=3, mean_datasets=True)
        mean.load_state_dict(model.state_dict())
        scales = model.part_weights.sigmoid().mean(0)
        parts = model.parts(given) * scales[:, None]
        torch.testing.assert_close(mean(given), model.project(parts.flatten(1)))


def test_part_weights_start_at_one_half_and_learn() -> None:
    model, given = head(datasets=2), batch()
    assert model.part_weights.sigmoid().unique().tolist() == [0.5]
    model.train()(given, datasets_B=torch.tensor([0, 0, 0])).square().sum().backward()
    gradient = model.part_weights.grad
    assert gradient is not None and gradient[0].any() and not gradient[1].any()


def test_pooled_head_takes_mean_and_maximum_of_real_tokens() -> None:
    torch.manual_seed(0)
    model, given = PooledHead(WIDTH, 8).eval(), batch()
    features = model(given)
    real = given.tokens_BND[1, :-3]
    expected = model.project(torch.cat([real.mean(0), real.amax(0)])[None])
    torch.testing.assert_close(features[1:2], expected)


def test_unknown_peak_is_refused() -> None:
    with pytest.raises(ValueError, match="peak must be top1 or softmax"):
        head(peak="sharp")
