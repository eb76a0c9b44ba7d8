import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.training.steps.augment import Augment
from model.warp import move, warp
from tests.model.sapiensid.people import standing

NOTHING = Augment(zoom=(1, 1), aspect=(1, 1), shift=0, flip=0, face_zoom=0)


def seeds(count: int) -> Tensor:
    return torch.arange(count)


def dots(points_BK2: Tensor, size: int = 96) -> Tensor:
    """White images with one dark, soft dot for each point: (B * K, 3, size, size), from white."""
    ticks = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    points = points_BK2.flatten(0, 1)[:, :, None, None]
    near = torch.exp(-((x - points[:, 0]) ** 2 + (y - points[:, 1]) ** 2) / (2 * 0.03**2))
    return (-2 * near)[:, None].expand(-1, 3, -1, -1)


def centres(images: Tensor) -> Tensor:
    """Where the dots are: the centres of darkness (N, 2)."""
    dark = -images[:, 0]
    size = dark.shape[-1]
    ticks = (torch.arange(size) + 0.5) / size
    mass = dark.sum((1, 2))
    return torch.stack([(dark.sum(1) @ ticks) / mass, (dark.sum(2) @ ticks) / mass], 1)


def test_keypoints_move_with_the_pixels() -> None:
    points = torch.cat([0.35 + 0.3 * torch.rand(8, 19, 2), torch.ones(8, 19, 1)], -1)
    matrix = Augment(face_zoom=0.0).draw(points, seeds(len(points)))
    images = dots(points[..., :2])
    found = centres(warp(images, matrix.repeat_interleave(19, 0))).view(8, 19, 2)
    moved = move(points, matrix)
    # Where the image is mirrored, left and right have changed names.
    from webbody.skeleton import FLIP

    mirrored = matrix[:, 0, 0] < 0
    assert 0 < mirrored.sum() < 8
    found[mirrored] = found[mirrored][:, torch.as_tensor(FLIP)]
    assert moved[..., 2].all()
    torch.testing.assert_close(moved[..., :2], found, atol=3e-3, rtol=0)


def test_a_warp_is_torchs_affine_warp() -> None:
    images, matrix = -2 * torch.rand(5, 3, 40, 56), Augment().draw(standing(5), seeds(5))
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    theirs = F.grid_sample(images, grid, align_corners=False)
    torch.testing.assert_close(warp(images, matrix), theirs, atol=1e-4, rtol=0)


def test_no_augmentation_changes_nothing() -> None:
    points = standing(4)
    points[..., :2] = points[..., :2].clamp(0, 1)
    points = points.where(points[..., 2:] > 0, 0)
    images = -2 * torch.rand(4, 3, 48, 48)
    same, kept = NOTHING(images, points, seeds(4))
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)
    torch.testing.assert_close(kept, points)


def test_flip_is_the_mirror_image_and_the_skeletons_flip() -> None:
    from webbody import skeleton

    points = standing(3, missing=0)
    points[..., :2] = points[..., :2].clamp(0.01, 0.99)
    images = torch.rand(3, 3, 48, 48)
    flipped, moved = Augment(zoom=(1, 1), aspect=(1, 1), shift=0, flip=1, face_zoom=0)(
        images, points, seeds(3)
    )
    torch.testing.assert_close(flipped, images.flip(-1), atol=1e-5, rtol=0)
    expected = torch.from_numpy(skeleton.flip(points.numpy(), 1))
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)


def test_outside_is_white_and_points_that_leave_are_missing() -> None:
    matrix = torch.tensor([[[1.0, 0, 1.0], [0, 1.0, 0]]])  # looks half an image to the right
    warped = warp(torch.full((1, 3, 32, 32), -2.0), matrix)
    assert (warped[..., 17:] == 0).all() and (warped[..., :15] == -2).all()
    points = torch.tensor([[[0.6, 0.5, 1.0], [0.4, 0.5, 1.0], [0.9, 0.1, 0.0]]]).repeat(1, 7, 1)
    moved = move(points[:, :19], matrix)
    assert moved[0, 0].tolist() == pytest.approx([0.1, 0.5, 1.0])
    assert not moved[0, 1].any() and not moved[0, 2].any()


def test_zoomed_in_faces_fill_the_range_that_was_asked() -> None:
    points = standing(400, missing=0)
    augment = Augment(zoom=(1, 1), aspect=(1, 1), shift=0, flip=0, face_zoom=1.0)
    before, after = (
        p[:, :5, :2] for p in (points, move(points, augment.draw(points, seeds(len(points)))))
    )
    inside = ((before > 0) & (before < 1)).all((1, 2))
    extents = [(p.amax(1) - p.amin(1)).amax(1)[inside] for p in (before, after)]
    small = extents[0] < 0.3
    assert small.sum() > 100
    assert extents[1][small].min() > 0.3 - 1e-4 and extents[1][small].max() < 0.5 + 1e-4
    middle = (after.amax(1) + after.amin(1))[inside][small] / 2
    torch.testing.assert_close(middle, torch.full_like(middle, 0.5), atol=1e-4, rtol=0)
    # A face that is large already is not made smaller.
    assert (extents[1] >= extents[0] - 1e-4).all()


def test_as_many_faces_are_zoomed_as_asked_and_none_without_a_face() -> None:
    points = standing(4000, missing=0)
    points[2000:, :5, 2] = 0
    augment = Augment(zoom=(1, 1), aspect=(1, 1), shift=0, flip=0, face_zoom=0.4)
    scale = augment.draw(points, seeds(len(points)))[:, 0, 0]
    extent = points[:, :5, :2].amax(1) - points[:, :5, :2].amin(1)
    small = extent[:2000].amax(1) < 0.3
    assert (scale[:2000][small] < 1).float().mean().item() == pytest.approx(0.4, abs=0.04)
    assert (scale[2000:] == 1).all()


def test_ranges_are_kept() -> None:
    matrix = Augment(face_zoom=0).draw(standing(2000), seeds(2000))
    width, height = matrix[:, 0, 0].abs(), matrix[:, 1, 1]
    zoom, aspect = 1 / (width * height).sqrt(), width / height
    assert 0.9 - 1e-5 <= zoom.min() < 0.91 and 1.09 < zoom.max() <= 1.1 + 1e-5
    assert 0.95 - 1e-5 <= aspect.min() < 0.955 and 1.045 < aspect.max() <= 1.05 + 1e-5
    moved = (matrix[:, :, 2] / matrix[:, [0, 1], [0, 1]].abs() / 2).abs()
    assert moved.max() <= 0.05 * 1.03 + 1e-5
    assert (matrix[:, 0, 0] < 0).float().mean().item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"zoom": (1.1, 0.9)}, "zoom must be a range"),
        ({"face_extent": (0, 0.5)}, "face_extent must be a range"),
        ({"flip": 1.5}, "flip must be in"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augment(**arguments)


def test_an_images_changes_belong_to_its_seed() -> None:
    points = standing(6, missing=0)
    matrix = Augment().draw(points, seeds(6))
    assert torch.equal(Augment().draw(points[2:4], seeds(6)[2:4]), matrix[2:4])
    assert not torch.equal(Augment().draw(points, seeds(6) + 6), matrix)
