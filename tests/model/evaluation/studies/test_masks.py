"""Fewer tokens in evaluation: how many, which, and what the others count for."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from model import SapiensID
from model.evaluation.studies.masks import SHARES, TokenCounts, share_of_tokens
from model.evaluation.studies.seeds import image_seeds
from model.sapiensid.heads.encoded import Encoded
from tests.model.evaluation.studies.captured import people, small


@contextmanager
def encodings(model: SapiensID) -> Iterator[list[Encoded]]:
    """What the head is given while this lasts."""
    found: list[Encoded] = []

    def keep(module: nn.Module, given: tuple[Encoded, ...]) -> None:
        found.append(given[0])

    hook = model.head.register_forward_pre_hook(keep)
    yield found
    hook.remove()


def own_tokens(encoded: Encoded) -> list[list[int]]:
    return [ids[real].tolist() for ids, real in zip(encoded.ids_BN, encoded.mask_BN, strict=True)]


@torch.inference_mode()
def test_each_image_keeps_a_share_of_its_own_tokens() -> None:
    model, given = small(), people(6)
    study = TokenCounts(model)
    with encodings(model) as found:
        model(*given)
        study(*given)
    plain, *shared = map(own_tokens, found)
    assert study.variants == ("25%", "33%", "50%", "67%", "80%", "100%")
    assert len({len(tokens) for tokens in plain}) > 3  # images have different numbers
    fewer: list[list[int]] = [[]] * 6
    for share, rows in zip(SHARES, shared, strict=True):
        for row, whole, before in zip(rows, plain, fewer, strict=True):
            assert len(row) == round(share * len(whole))
            assert row == sorted(row) and set(before) <= set(row) <= set(whole)
        fewer = rows
    assert shared[-1] == plain


def test_every_token_is_as_likely() -> None:
    kept = torch.zeros(1, 30, dtype=torch.bool)
    kept[0, ::3] = True
    noise = torch.rand(20000, 30, generator=torch.Generator().manual_seed(0))
    ids, real = share_of_tokens(kept.expand(20000, -1), noise, 0.4)
    counts = torch.bincount(ids[real], minlength=30) / 20000
    assert counts[::3].tolist() == pytest.approx([0.4] * 10, abs=0.02)
    assert real.all() and ids.shape == (20000, 4)


def test_one_token_at_least_is_left() -> None:
    kept = torch.tensor([[False, True, True, False], [True] * 4])
    _, real = share_of_tokens(kept, torch.rand(2, 4), 0.01)
    assert real.sum(1).tolist() == [1, 1]


@pytest.mark.parametrize("mask_counts", ["slots", "patches"])
@torch.inference_mode()
def test_the_mask_token_stands_for_the_rest_as_in_training(mask_counts: str) -> None:
    """Training keeps those of the smallest chances too; so one seed gives one encoding."""
    model = small(mask_counts=mask_counts, padding="never", drop_path=0.0, coarse_first=0.0)
    images, keypoints = people(3)
    study = TokenCounts(model, (0.3,))
    for image, points in zip(images.split(1), keypoints.split(1), strict=True):
        with encodings(model) as found:
            study(image, points)
        tokens = len(own_tokens(found[0])[0])
        model.train()
        trained = model.encode(image, points, tokens, image_seeds(points))
        model.eval()
        assert trained.mask_BN.all() and trained.ids_BN.shape == (1, tokens)
        order = trained.ids_BN[0].argsort()
        assert torch.equal(trained.ids_BN[0, order], found[0].ids_BN[0])
        torch.testing.assert_close(
            trained.tokens_BND[0, order], found[0].tokens_BND[0], atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize("shares", [(0.0,), (0.5, 1.01), (-1,)])
def test_impossible_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"shares of tokens must be in \(0, 1\]"):
        TokenCounts(small(), shares)
