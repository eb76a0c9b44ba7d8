"""Heads of our own: they take what is there, whichever parts those are, and are small."""

import itertools

import pytest
import torch

from model import SapiensID
from model.sapiensid.heads.choice import HEADS, make_head
from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.residual import ResidualHead
from model.sapiensid.part_dropout import dropped
from model.sapiensid.sapiensid import PRESETS

OWN = [name for name in HEADS if name not in ("semantic", "pooled")]
#: Those that look at parts.
OF_PARTS = [name for name in OWN if name != "mapped"]
WIDTH, TOKENS, POINTS = 32, 9, 19


def batch(count: int, seed: int = 0) -> Encoded:
    random = torch.Generator().manual_seed(seed)
    real = torch.ones(count, TOKENS, dtype=torch.bool)
    real[1:, -3:] = False
    return Encoded(
        tokens_BND=torch.randn(count, TOKENS, WIDTH, generator=random),
        positions_BND=torch.randn(count, TOKENS, WIDTH, generator=random),
        ids_BN=torch.arange(TOKENS).expand(count, -1),
        mask_BN=real,
        boxes_BR4=torch.zeros(count, 3, 4),
        keypoint_positions_BKD=torch.randn(count, POINTS, WIDTH, generator=random),
        visible_BK=torch.ones(count, POINTS, dtype=torch.bool),
    )


def head(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    model = make_head(kind, WIDTH, POINTS, 16, 2, 1, "top1", False).eval()
    with torch.no_grad():  # as after some training: nothing is zero by its start alone
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("kind", OF_PARTS)
def test_any_subset_of_parts_has_a_feature_of_its_own(kind: str) -> None:
    model, given = head(kind), batch(1)
    groups = ((0, 7), (7, 13), (13, 19))
    features = []
    for chosen in itertools.product((True, False), repeat=len(groups)):
        seen = torch.zeros(1, POINTS, dtype=torch.bool)
        for (start, end), is_there in zip(groups, chosen, strict=True):
            seen[:, start:end] = is_there
        with torch.no_grad():
            features.append(model(given._replace(visible_BK=seen)))
    assert all(torch.isfinite(one).all() for one in features)
    for one, other in itertools.combinations(features, 2):
        assert (one - other).abs().max() > 1e-4


@pytest.mark.parametrize("kind", OWN)
def test_a_missing_part_says_nothing(kind: str) -> None:
    """Neither where it would be nor what is there changes the feature."""
    model, given = head(kind), batch(3)
    given.visible_BK[:, 9:] = False
    with torch.no_grad():
        features = model(given)
        moved = given.keypoint_positions_BKD.clone()
        moved[:, 9:] = 100.0
        torch.testing.assert_close(model(given._replace(keypoint_positions_BKD=moved)), features)


@pytest.mark.parametrize("kind", OWN)
def test_neither_padding_nor_batch_mates_matter(kind: str) -> None:
    model, given = head(kind), batch(3)
    with torch.no_grad():
        features = model(given)
        given.tokens_BND[1:, -3:] = 1e3
        torch.testing.assert_close(model(given), features)
        alone = Encoded(*(value[:1] for value in given if value is not None))
        torch.testing.assert_close(model(alone), features[:1])


@pytest.mark.parametrize("kind", OWN)
def test_every_parameter_learns(kind: str) -> None:
    model, given = head(kind).train(), batch(4)
    model(given).square().sum().backward()
    missing = [name for name, one in model.named_parameters() if one.grad is None]
    assert not missing


@pytest.mark.parametrize("kind", OWN)
def test_the_papers_size_takes_a_twentieth_of_its_heads_parameters(kind: str) -> None:
    with torch.device("meta"):
        model = SapiensID(**PRESETS["base"], head=kind)
    assert sum(one.numel() for one in model.head.parameters()) <= 20e6


def test_the_mapped_head_asks_every_token_alike() -> None:
    """Neither where tokens are nor how often each of them is there changes the feature."""
    model, given = head("mapped"), batch(2)
    with torch.no_grad():
        features = model(given)
        turned = [value.flip(1) for value in (given.tokens_BND, given.mask_BN)]
        torch.testing.assert_close(
            model(given._replace(tokens_BND=turned[0], mask_BN=turned[1])), features
        )
        twice = given._replace(
            tokens_BND=given.tokens_BND.repeat(1, 2, 1), mask_BN=given.mask_BN.repeat(1, 2)
        )
        torch.testing.assert_close(model(twice), features)


def test_the_residual_head_begins_as_the_pooled_one() -> None:
    torch.manual_seed(0)
    model, given = ResidualHead(WIDTH, POINTS, 16).eval(), batch(2)
    with torch.no_grad():
        features = model(given)
        nothing = torch.zeros_like(given.visible_BK)
        torch.testing.assert_close(model(given._replace(visible_BK=nothing)), features)


def test_dropped_parts() -> None:
    seen = torch.ones(2000, POINTS, dtype=torch.bool)
    seen[:, 3] = False
    noise = torch.rand(2000, POINTS + 2, generator=torch.Generator().manual_seed(0))
    left = dropped(seen, noise, 0.5)
    assert not left[:, 3].any()
    untouched = (left == seen).all(1).float().mean()
    close_ups = (left[:, :3].all(1) & ~left[:, 7:].any(1)).float().mean()
    assert untouched == pytest.approx(0.5, abs=0.04)
    assert close_ups == pytest.approx(0.25, abs=0.04)
    assert torch.equal(dropped(seen, noise, 0.0), seen)


def test_dropping_follows_the_images_seeds_and_ends_with_the_training() -> None:
    torch.manual_seed(0)
    model = SapiensID(**PRESETS["tiny"], head="shared", part_dropout=1.0, drop_path=0.0)
    images = torch.rand(4, 3, 384, 384) * 2 - 1
    points = torch.rand(4, 19, 3)
    points[..., 2] = 1
    seeds = torch.arange(4)
    model.train()
    with torch.no_grad():
        first, again = (model(images, points, 40, seeds_B=seeds) for _ in range(2))
        other = model(images, points, 40, seeds_B=seeds + 9)
    torch.testing.assert_close(first, again)
    assert (first - other).abs().max() > 1e-3
    model.eval()
    with torch.no_grad():
        kept = model(images, points)
        model.part_dropout = 0.0
        torch.testing.assert_close(model(images, points), kept)


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="head must be one of semantic, pooled, mapped"):
        SapiensID(**PRESETS["tiny"], head="clever")


@pytest.mark.parametrize("kind", OWN)
def test_saved_and_read_again(kind: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    model = SapiensID(**PRESETS["tiny"], head=kind, part_dropout=0.5).eval()
    model.save_pretrained(tmp_path)
    again = SapiensID.from_pretrained(tmp_path)
    images, points = torch.rand(1, 3, 384, 384), torch.rand(1, 19, 3)
    with torch.no_grad():
        torch.testing.assert_close(again(images, points), model(images, points))
