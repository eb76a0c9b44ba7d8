import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import Tensor

from model.sapiensid.positions import Positions
from model.sapiensid.regions import REGIONS, region_boxes
from model.sapiensid.retina_patch import RetinaPatch, cover, foreground
from model.sapiensid.sapiensid import visible_inside
from tests.model.sapiensid.people import KEYPOINTS, images, standing

SIDE = 12


def everyone(count: int) -> tuple[Tensor, Tensor]:
    """Boxes (count, 3, 4) of some people, and the ids of all candidates."""
    boxes = region_boxes(visible_inside(standing(count)), REGIONS, SIDE)
    return boxes, torch.arange(3 * SIDE * SIDE).expand(count, -1)


@given(KEYPOINTS)
@settings(max_examples=50)
def test_every_point_of_the_image_lies_in_exactly_one_kept_patch(points: Tensor) -> None:
    boxes = region_boxes(visible_inside(points), REGIONS, SIDE)
    kept = cover(boxes, SIDE)[0].view(3, SIDE, SIDE)
    # Points that lie on no border of any grid: borders are multiples of 1/12 and 1/144 at most.
    ticks = (torch.arange(97) + 0.5) / 97
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    owners = torch.zeros_like(x)
    for region, (left, top, right, bottom) in enumerate(boxes[0]):
        if right <= left:
            assert not kept[region].any()
            continue
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        column = ((x - left) / (right - left) * SIDE).long().clamp(0, SIDE - 1)
        row = ((y - top) / (bottom - top) * SIDE).long().clamp(0, SIDE - 1)
        owners += (inside & kept[region, row, column]).float()
    assert (owners == 1).all()


def test_a_region_inside_takes_its_cells_from_the_ones_around_it() -> None:
    boxes = torch.tensor([[[0, 0, 1, 1], [0.25, 0, 0.75, 0.5], [0.375, 0.125, 0.5, 0.25]]])
    kept = cover(boxes, 8).view(3, 64)
    # The second holds 4 x 4 cells of the first, the third 2 x 2 of the second.
    assert kept.sum(1).tolist() == [64 - 16, 64 - 4, 64]


def test_patches_resample_the_regions_pixels() -> None:
    """Against one grid_sample of each whole region, cut into patches afterwards."""
    pictures, (boxes, ids) = images(3), everyone(3)
    patches = RetinaPatch(8, 3, SIDE, 32, level_embedding=False)
    tokens = patches(pictures, boxes, ids)
    for b in range(3):
        for region, (left, top, right, bottom) in enumerate(boxes[b]):
            if right <= left:
                continue
            x = torch.linspace(float(left), float(right), SIDE * 32)
            y = torch.linspace(float(top), float(bottom), SIDE * 32)
            grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1) * 2 - 1
            zoomed = F.grid_sample(pictures[b : b + 1], grid[None], align_corners=False)
            cut = F.unfold(zoomed, 32, stride=32).transpose(1, 2)[0]
            expected = patches.proj(cut)
            own = slice(region * SIDE * SIDE, (region + 1) * SIDE * SIDE)
            torch.testing.assert_close(tokens[b, own], expected, atol=1e-4, rtol=0)


def test_chosen_patches_are_those_of_all() -> None:
    pictures, (boxes, ids) = images(2), everyone(2)
    table = Positions(SIDE, 16)
    patches = RetinaPatch(16, 3, SIDE, 32, level_embedding=True)
    torch.nn.init.normal_(patches.level_RD)
    some = torch.stack([torch.randperm(432)[:50] for _ in range(2)])
    index = some[..., None].expand(-1, -1, 16)
    torch.testing.assert_close(
        patches(pictures, boxes, some), patches(pictures, boxes, ids).gather(1, index)
    )
    torch.testing.assert_close(
        patches.positions(table, boxes, some), patches.positions(table, boxes, ids).gather(1, index)
    )


def test_positions_of_the_whole_image_are_the_table() -> None:
    table = Positions(SIDE, 32)
    patches = RetinaPatch(32, 3, SIDE, 32, level_embedding=False)
    positions = patches.positions(table, *everyone(2))
    torch.testing.assert_close(positions[0, :144], table.table_SSD.flatten(0, 1))
    # x first, then y, each a sine and a cosine of the place times falling frequencies.
    row, column = 3, 5
    omega = 10000 ** (-torch.arange(8) / 7)
    angles = torch.cat([column * omega, row * omega]).view(2, 8)
    expected = torch.cat([angles.sin(), angles.cos()], 1).flatten()
    torch.testing.assert_close(positions[0, row * SIDE + column], expected, atol=1e-5, rtol=0)


def test_positions_of_regions_and_keypoints_are_bilinear_samples() -> None:
    table = Positions(SIDE, 32)
    plane = table.table_SSD.permute(2, 0, 1)[None]
    patches = RetinaPatch(32, 3, SIDE, 32, level_embedding=False)
    boxes, ids = everyone(3)
    positions = patches.positions(table, boxes, ids).view(3, 3, 144, 32)
    for b in range(3):
        for region in (1, 2):
            left, top, right, bottom = boxes[b, region].tolist()
            x, y = torch.linspace(left, right, SIDE), torch.linspace(top, bottom, SIDE)
            grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None] * 2 - 1
            sampled = F.grid_sample(plane, grid, align_corners=False)[0].flatten(1).T
            torch.testing.assert_close(positions[b, region], sampled, atol=1e-5, rtol=0)
    points = torch.rand(2, 19, 2)
    sampled = F.grid_sample(
        plane, points[:, :, None].flatten(0, 1)[None] * 2 - 1, align_corners=True
    )
    expected = sampled[0, :, :, 0].T.view(2, 19, 32)
    torch.testing.assert_close(table.at_keypoints(points), expected, atol=1e-5, rtol=0)


def test_level_embeddings_tell_regions_apart() -> None:
    table = Positions(SIDE, 16)
    patches = RetinaPatch(16, 3, SIDE, 32, level_embedding=True)
    boxes, ids = everyone(1)
    before = patches.positions(table, boxes, ids)
    with torch.no_grad():
        patches.level_RD.copy_(torch.arange(3.0)[:, None].expand(-1, 16))
    shift = patches.positions(table, boxes, ids) - before
    torch.testing.assert_close(shift[0, ::144], torch.arange(3.0)[:, None].expand(-1, 16))


def test_padding_is_the_white_margin_and_no_white_inside() -> None:
    image = torch.ones(4, 3, 96, 96)
    image[0, :, :, 32:64] = 0  # a tall picture: columns 4 to 7 of 12
    image[1, :, 8:88] = 0
    image[1, :, 40:48] = 1  # white lines within it
    image[2, :, :, 20:96] = -0.5  # half of column 2 and a bit: less than half stays out
    shown = foreground(image, SIDE).view(4, SIDE, SIDE)
    assert shown[0].any(0).nonzero().flatten().tolist() == [4, 5, 6, 7] and shown[0, :, 4:8].all()
    assert shown[1].any(1).nonzero().flatten().tolist() == list(range(1, 11))
    assert shown[2].any(0).nonzero().flatten().tolist() == list(range(2, 12))
    assert shown[3].all()  # nothing but white is no padding
