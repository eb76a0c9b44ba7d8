import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from model import SapiensID
from model.sapiensid.sapiensid import PRESETS, visible_inside
from tests.model.sapiensid.people import KEYPOINTS, images, standing, tiny


@pytest.fixture(scope="module")
def model() -> SapiensID:
    return tiny()


def test_features_do_not_depend_on_batch_mates(model: SapiensID) -> None:
    pictures, points = images(7), standing(7)
    points[0, :, 2] = 0
    with torch.inference_mode():
        alone = torch.cat([model(pictures[i : i + 1], points[i : i + 1]) for i in range(7)])
        for chosen in ([0, 3], [6, 5, 0, 1], [2, 1, 6, 4, 3, 5, 0]):
            together = model(pictures[chosen], points[chosen])
            torch.testing.assert_close(together, alone[chosen], atol=1e-4, rtol=0)
        padded = model(pictures, points, tokens=432)
    torch.testing.assert_close(padded, alone, atol=1e-4, rtol=0)
    assert alone.shape == (7, 256)


@settings(max_examples=10)
@given(KEYPOINTS)
def test_any_keypoints_give_finite_features(points: Tensor) -> None:
    with torch.inference_mode():
        assert torch.isfinite(tiny(depth=1)(images(1), points)).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda points: points * 0,
        lambda points: points * torch.eye(19)[0][None, :, None],
        lambda points: points * 0 + torch.tensor([0.5, 0.5, 1]),
        lambda points: points * 0 + torch.tensor([0.51, 0.53, 1]),
        lambda points: points + torch.tensor([5.0, 0, 0]),
        lambda points: points - torch.tensor([0, 7.0, 0]),
        lambda points: points * torch.nan,
        lambda points: points + torch.tensor([torch.inf, 0, 0]),
        lambda points: torch.where(points == points[:, 3:4], torch.nan, points),
    ],
    ids=["none", "one", "corner", "same", "right", "above", "nan", "infinite", "one nan"],
)
def test_odd_keypoints_are_defined(model: SapiensID, change) -> None:
    points = standing(2, missing=0)
    points[..., :2] = points[..., :2].clamp(0.01, 0.99)
    for mode in (False, True):
        model.train(mode)
        features = model(images(2), change(points), tokens=60 if mode else None)
        assert torch.isfinite(features).all()
    model.eval()


def test_points_outside_or_not_finite_count_as_missing(model: SapiensID) -> None:
    points = standing(1, missing=0)
    points[..., :2] = points[..., :2].clamp(0, 1)
    outside, unseen, broken = points.clone(), points.clone(), points.clone()
    outside[0, 17, 0] = 1.01
    unseen[0, 17] = torch.tensor([0.3, 0.3, 0])
    broken[0, 17, 1] = torch.nan
    with torch.inference_mode():
        expected = model(images(1), unseen)
        torch.testing.assert_close(model(images(1), outside), expected)
        torch.testing.assert_close(model(images(1), broken), expected)
        assert not torch.allclose(model(images(1), points), expected)
    assert visible_inside(torch.tensor([[[0.0, 1.0, 0.3]]])).tolist() == [
        [[0, 1, pytest.approx(0.3)]]
    ]


def test_training_keeps_the_number_of_tokens_it_is_told(model: SapiensID) -> None:
    model.train()
    torch.manual_seed(0)
    encoded = model.encode(images(3), standing(3), tokens=100)
    assert encoded.tokens_BND.shape == (3, 100, 128)
    assert encoded.mask_BN.all()
    few = model.encode(images(3), torch.zeros(3, 19, 3), tokens=200)
    # Without regions there are 144 patches; the other places stay empty.
    assert few.mask_BN.sum(1).tolist() == [144] * 3
    model.eval()


def test_seeds_make_training_independent_of_the_batch_and_of_torchs_state() -> None:
    model = tiny(drop_path=0.3).train()
    pictures, points, seeds = images(4), standing(4), torch.tensor([5, -1, 7, 1 << 60])
    together = model.encode(pictures, points, 90, seeds)
    torch.manual_seed(123)
    alone = model.encode(pictures[2:3], points[2:3], 90, seeds[2:3])
    assert torch.equal(alone.ids_BN, together.ids_BN[2:3])
    torch.testing.assert_close(alone.tokens_BND, together.tokens_BND[2:3], atol=1e-5, rtol=0)
    other = model.encode(pictures, points, 90, seeds + 1)
    assert not torch.equal(other.ids_BN, together.ids_BN)


def test_empty_places_of_a_training_batch_change_nothing() -> None:
    model = tiny(mask_counts="patches", drop_path=0.0).train()
    pictures, points = images(2), torch.zeros(2, 19, 3)
    padded = model.encode(pictures, points, tokens=300)
    exact = model.eval().encode(pictures, points)
    order = padded.ids_BN.where(padded.mask_BN, 999).argsort(1)[:, :144, None]
    tokens = padded.tokens_BND.gather(1, order.expand(-1, -1, 128))
    torch.testing.assert_close(tokens, exact.tokens_BND, atol=1e-5, rtol=0)


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    model = tiny(level_embedding=True, peak="softmax", datasets=2, drop_path=0.0).train()
    features = model(images(4), standing(4), 120, torch.tensor([0, 1, 0, 1]))
    (features * torch.randn_like(features)).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_kprpe_starts_as_no_bias_and_then_matters() -> None:
    plain = tiny()
    torch.nn.init.zeros_(plain.keypoint_bias.table.weight)
    without = tiny(keypoint_bias=0)
    without.load_state_dict(
        {k: v for k, v in plain.state_dict().items() if not k.startswith("keypoint_bias")}
    )
    with torch.inference_mode():
        same, other = plain(images(2), standing(2)), without(images(2), standing(2))
        torch.testing.assert_close(same, other, atol=1e-5, rtol=0)
        assert not torch.allclose(tiny()(images(2), standing(2)), other, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [
        ({"regions": (), "head": "pooled"}, 144),
        ({"head": "pooled"}, None),
        ({"regions": ()}, 144),
        ({"learned_mask": False}, None),
        ({"keypoint_bias": 0}, None),
        ({"level_embedding": True}, None),
        ({"mask_counts": "patches"}, None),
    ],
    ids=["vit", "rp", "sah", "dropped", "no kprpe", "level", "paper"],
)
def test_ablations(arguments: dict, tokens: int | None) -> None:
    model = tiny(**arguments)
    pictures, points = images(3), standing(3)
    with torch.inference_mode():
        together, alone = model(pictures, points), model(pictures[:1], points[:1])
        torch.testing.assert_close(together[:1], alone, atol=1e-4, rtol=0)
        encoded = model.encode(pictures, points)
    assert tokens is None or encoded.tokens_BND.shape[1] == tokens
    assert (model.mask_token_D is None) == ("learned_mask" in arguments)
    model.train()(pictures, points, tokens=70).sum().backward()


def test_the_mask_token_counts_slots_or_the_images_own_patches() -> None:
    pictures, points = images(1), torch.zeros(1, 19, 3)
    keys = {}
    for counts in ("slots", "patches"):
        model = tiny(mask_counts=counts)
        encoded = model.encode(pictures, points)
        kept = torch.ones(1, 432, dtype=torch.bool)
        kept[:, 144:] = False
        bias = next(
            model._biases(
                encoded.positions_BND, encoded.ids_BN, encoded.mask_BN, kept,
                encoded.keypoint_positions_BKD, encoded.visible_BK,
            )
        )  # fmt: skip
        keys[counts] = bias.keys_BN[0, -1].exp().item()
    assert keys == {"slots": pytest.approx(288), "patches": pytest.approx(1)}


def test_presets() -> None:
    assert PRESETS["base"] == {"depth": 24, "width": 512, "heads": 16, "feature_dim": 4096}
    with torch.device("meta"):
        sizes = {
            name: sum(p.numel() for p in SapiensID(**arguments).parameters())
            for name, arguments in PRESETS.items()
        }
        defaults = SapiensID()
    assert sizes["tiny"] < sizes["small"] < sizes["base"]
    assert sum(p.numel() for p in defaults.parameters()) == sizes["base"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 100}, "no grid of 12"),
        ({"mask_counts": "all"}, "mask_counts must be"),
        ({"head": "attention"}, "head must be"),
        ({"width": 130, "heads": 13}, "multiple of 4"),
        ({"heads": 7}, "not divisible"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**arguments)


def test_wrong_shapes_are_told(model: SapiensID) -> None:
    with pytest.raises(
        ValueError, match=r"images must be \(B, 3, 384, 384\), not \(1, 3, 96, 96\)"
    ):
        model(torch.zeros(1, 3, 96, 96), torch.zeros(1, 19, 3))
    with pytest.raises(ValueError, match=r"keypoints must be \(2, 19, 3\), not \(2, 17, 3\)"):
        model(torch.zeros(2, 3, 384, 384), torch.zeros(2, 17, 3))


def test_mixed_precision_stays_close() -> None:
    model = tiny(**PRESETS["small"])
    pictures, points = images(4), standing(4)
    with torch.inference_mode():
        full = model(pictures, points)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model(pictures, points).float()
    assert torch.nn.functional.cosine_similarity(full, mixed).min() > 0.999
