"""Other backgrounds: where, how often, and the same for any number of ranks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.training.steps import augment as augment_module
from model.training.steps.augment import Augment
from model.training.steps.background import change_background
from tests.model.sapiensid.people import standing
from tests.model.training import runs

SIDE = 48


def pictures(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images between white margins, counted from white; the foreground; seeds."""
    random = torch.Generator().manual_seed(0)
    images = torch.zeros(count, 3, SIDE, SIDE)
    images[..., 8:-8] = -0.2 - 1.8 * torch.rand(count, 3, SIDE, SIDE - 16, generator=random)
    masks = torch.zeros(count, SIDE, SIDE, dtype=torch.uint8)
    masks[:, 10:30, 16:32] = 255
    return images, masks, torch.arange(count)


@pytest.mark.parametrize("fill", ["white", "noise", "mixed"])
def test_the_person_stays_and_so_do_the_margins(fill: str) -> None:
    images, masks, seeds = pictures(6)
    out = change_background(images, masks, seeds, 1.0, fill)
    person = (masks > 127)[:, None].expand_as(images)
    assert torch.equal(out[person], images[person])
    assert not out[..., :8].any() and not out[..., -8:].any()
    behind = out[..., 8:-8][~person[..., 8:-8]].view(6, -1)
    assert ((behind <= 0) & (behind >= -2)).all()
    white = (behind == 0).all(1)
    coloured = (behind < 0).float().mean(1) > 0.99
    assert (white | coloured).all()
    assert white.all() if fill == "white" else coloured.any()


def test_a_share_of_the_images_is_changed_and_mixed_is_half_white() -> None:
    images, masks, seeds = (tensor[:1] for tensor in pictures(1))
    seeds = torch.arange(2000)
    images, masks = images.expand(2000, -1, -1, -1), masks.expand(2000, -1, -1)
    out = change_background(images, masks, seeds, 0.3, "mixed")
    changed = (out != images).flatten(1).any(1)
    assert abs(changed.float().mean() - 0.3) < 0.04
    white = (out[changed][:, :, 40:, 8:-8] == 0).flatten(1).all(1)
    assert abs(white.float().mean() - 0.5) < 0.07


def test_the_loader_is_told_which_images_the_step_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    one, step = runs.trainer(), runs.steps()[2]
    one.augment = Augment(background=0.5)
    seen = []
    monkeypatch.setattr(
        augment_module, "change_background", lambda *given: seen.append(given) or given[0]
    )
    samples = runs.samples(step, 0, 1)
    masks = torch.zeros(step.size, runs.SIZE, runs.SIZE, dtype=torch.uint8)
    one.step(step, replace(samples, foreground_BHW=masks))
    ((images, given, seeds, share, _),) = seen
    changed = (change_background(images - 0.1, given, seeds, share, "white") == 0).flatten(1).all(1)
    needed = one.needs_foregrounds(np.arange(step.start, step.start + step.size))
    assert needed.tolist() == changed.tolist() and 0 < needed.sum() < step.size


def test_an_image_is_changed_by_its_own_seed_whatever_is_beside_it() -> None:
    images, masks, seeds = pictures(9)
    whole = change_background(images, masks, seeds, 0.6, "mixed")
    for rank in range(3):
        part = slice(rank, None, 3)
        alone = change_background(images[part], masks[part], seeds[part], 0.6, "mixed")
        assert torch.equal(alone, whole[part])
    assert not torch.equal(change_background(images, masks, seeds + 9, 0.6, "mixed"), whole)


def test_the_background_changes_before_the_image_is_moved() -> None:
    images, masks, seeds = pictures(5)
    points = standing(5)
    augment = Augment(background=1.0)
    moved, shown = augment(images, points, seeds, masks)
    blank = images.masked_fill((masks < 128)[:, None], 0)
    expected, same = Augment()(blank, points, seeds)
    assert torch.equal(moved, expected) and torch.equal(shown, same)


def test_without_a_share_or_a_foreground_nothing_changes() -> None:
    images, masks, seeds = pictures(5)
    points = standing(5)
    plain = Augment()(images, points, seeds)
    for augment, given in ((Augment(), masks), (Augment(background=1.0), None)):
        again = augment(images, points, seeds, given)
        assert all(map(torch.equal, again, plain))


def test_wrong_settings_are_told() -> None:
    with pytest.raises(ValueError, match="background must be in"):
        Augment(background=1.5)
    with pytest.raises(ValueError, match="background_fill is one of white, noise, mixed"):
        Augment(background_fill="blue")
