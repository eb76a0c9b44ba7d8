"""Where patches are drawn: they cover the image once, at the places that the model samples."""

import numpy as np
import pytest
import torch

from model.visualization.patches import Patches, area, paint, patches_of
from tests.model.visualization.conftest import random_keypoints

SEEDS = range(40)


def random_patches(model, seed) -> Patches:
    return patches_of(model, random_keypoints(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_kept_patches_tile_the_image(model, seed):
    patches = random_patches(model, seed)
    rectangles = patches.rectangles(patches.ids_N)
    sizes = rectangles[:, 2:] - rectangles[:, :2]
    assert (sizes > 0).all()
    assert sizes.prod(1).sum() == pytest.approx(1, abs=1e-5)
    # Painted, every pixel is filled exactly once: no gap, no overlap, whatever the rounding.
    painted = np.zeros((691, 691), int)
    for rectangle in rectangles:
        painted += area(np.zeros((691, 691, 3), np.uint8), rectangle[None])
    assert (painted == 1).all()


def test_random_keypoints_have_all_kinds_of_regions(model):
    kinds = {tuple(random_patches(model, s).has(r) for r in range(3)) for s in SEEDS}
    assert kinds == {(True, a, b) for a in (False, True) for b in (False, True)}


@pytest.mark.parametrize("seed", SEEDS[::4])
def test_patches_are_those_of_the_model(model, seed):
    keypoints = random_keypoints(seed)
    patches = patches_of(model, keypoints)
    with torch.no_grad():
        encoded = model.encode(torch.zeros(1, 3, 384, 384), torch.from_numpy(keypoints)[None])
    np.testing.assert_array_equal(patches.ids_N, encoded.ids_BN[0].numpy())
    np.testing.assert_array_equal(patches.boxes_R4, encoded.boxes_BR4[0].numpy())
    assert patches.counts_R.sum() == encoded.mask_BN.sum()


@pytest.mark.parametrize("seed", SEEDS[::4])
def test_a_patch_is_drawn_where_the_model_samples_it(model, seed):
    """The pixels of a patch, as the model takes them, lie in the patch's rectangle."""
    patches = random_patches(model, seed)
    ids = torch.from_numpy(patches.ids_N)[None]
    boxes = torch.from_numpy(patches.boxes_R4)[None]
    # An image whose colours are its own coordinates, read through an embedding that passes pixels.
    ramp = torch.linspace(0, 1, 384)
    across, down = ramp.expand(384, 384), ramp[:, None].expand(384, 384)
    image = torch.stack([across, down, across])
    seen: list[torch.Tensor] = []
    hook = model.patch_embed.proj.register_forward_hook(lambda _, args, out: seen.append(args[0]))
    with torch.no_grad():
        model.patch_embed(image[None], boxes, ids)
    hook.remove()
    middle = seen[0].reshape(len(patches.ids_N), 3, 32, 32).mean((2, 3)).numpy()[:, :2]
    rectangles = patches.rectangles(patches.ids_N)
    # The outermost samples mix with what lies beyond the image.
    inside = ((rectangles[:, :2] > 0.01) & (rectangles[:, 2:] < 0.99)).all(1)
    centres = (rectangles[:, :2] + rectangles[:, 2:]) / 2
    size = (rectangles[:, 2:] - rectangles[:, :2]).max()
    np.testing.assert_allclose(middle[inside], centres[inside], atol=0.05 * size + 2e-3)


def test_paint_fills_the_rectangle_and_nothing_else():
    canvas = np.zeros((40, 80, 3), np.uint8)
    paint(canvas, np.array([[0.25, 0.5, 0.5, 0.75]]), np.array([[9, 8, 7]], np.uint8))
    expected = np.zeros_like(canvas)
    expected[20:30, 20:40] = (9, 8, 7)
    np.testing.assert_array_equal(canvas, expected)


def test_without_keypoints_the_whole_image_is_the_only_region(model):
    patches = patches_of(model, np.zeros((19, 3), np.float32))
    assert patches.counts_R.tolist() == [144, 0, 0]
    assert [patches.has(region) for region in range(3)] == [True, False, False]


def test_a_missing_keypoint_does_not_count_wherever_it_lies(model, whole_body):
    moved = whole_body.copy()
    moved[17:] = (0.1, 0.1, 0)
    moved[16] = (np.nan, 5, 1)
    gone = whole_body.copy()
    gone[16:] = 0
    np.testing.assert_array_equal(patches_of(model, moved).kept_T, patches_of(model, gone).kept_T)
