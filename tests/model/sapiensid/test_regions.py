import pytest
import torch
from hypothesis import given
from torch import Tensor

from model.sapiensid.regions import (
    FACE,
    PAPER_REGIONS,
    REGIONS,
    TORSO,
    Region,
    has_area,
    region_boxes,
    snap,
)
from model.sapiensid.sapiensid import visible_inside
from tests.model.sapiensid.people import KEYPOINTS


def keypoints(**points: tuple[float, float]) -> Tensor:
    """Keypoints (1, 19, 3) of which only the named ones are visible."""
    from webbody.skeleton import NAMES

    out = torch.zeros(1, 19, 3)
    for name, point in points.items():
        out[0, NAMES.index(name)] = torch.tensor([*point, 1.0])
    return out


def test_torso_is_centred_on_the_extent_with_its_margin() -> None:
    points = keypoints(nose=(0.5, 0.2), left_shoulder=(0.7, 0.4), right_shoulder=(0.3, 0.4))
    box, exists = TORSO.box(points)
    # Extent 0.4 wide and 0.2 high, half of the larger one times 1.3.
    torch.testing.assert_close(box, torch.tensor([[0.24, 0.04, 0.76, 0.56]]))
    assert exists.tolist() == [True]


def test_face_lies_between_the_middle_of_its_points_and_the_nose() -> None:
    points = keypoints(nose=(0.5, 0.6), left_eye=(0.6, 0.4), right_eye=(0.4, 0.4))
    box, exists = FACE.box(points)
    half = 1.3 * (0.1**2 + 0.15**2) ** 0.5  # to an eye, from (0.5, 0.55)
    expected = torch.tensor([[0.5 - half, 0.55 - half, 0.5 + half, 0.55 + half]])
    torch.testing.assert_close(box, expected)
    without_nose = keypoints(left_eye=(0.6, 0.4), right_eye=(0.4, 0.4))
    torch.testing.assert_close(FACE.box(without_nose)[0], torch.tensor([[0.37, 0.27, 0.63, 0.53]]))
    assert exists.tolist() == [True]


@pytest.mark.parametrize(
    ("region", "points", "exists"),
    [
        (FACE, {"nose": (0.5, 0.5)}, False),
        (FACE, {"nose": (0.5, 0.5), "left_eye": (0.6, 0.4)}, True),
        (TORSO, {"nose": (0.5, 0.5), "left_shoulder": (0.6, 0.6)}, False),
        (TORSO, {"nose": (0.5, 0.5), "left_eye": (0.6, 0.4), "right_eye": (0.4, 0.4)}, False),
        (TORSO, {"nose": (0.5, 0.5), "left_eye": (0.6, 0.4), "right_shoulder": (0.3, 0.7)}, True),
    ],
)
def test_which_points_a_region_needs(region: Region, points: dict, exists: bool) -> None:
    assert region.box(keypoints(**points))[1].tolist() == [exists]


def test_a_box_grows_to_the_cells_it_touches_and_stays_in_its_parent() -> None:
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    box = torch.tensor([[0.30, -0.2, 0.62, 0.5]])
    torch.testing.assert_close(
        snap(box, whole, 10), torch.tensor([[0.3, 0.0, 0.7, 0.5]]), atol=1e-6, rtol=0
    )


@given(KEYPOINTS)
def test_regions_nest_on_the_grids_of_their_parents(points: Tensor) -> None:
    for regions in (REGIONS, PAPER_REGIONS):
        boxes = region_boxes(visible_inside(points), regions, 12)[0]
        assert torch.isfinite(boxes).all()
        assert boxes.min() >= 0 and boxes.max() <= 1 + 1e-6
        whole, torso, face = boxes
        exists = has_area(boxes)
        assert exists[0] and whole.tolist() == [0, 0, 1, 1]
        # Boxes of the torso are made of twelfths; a missing one has no extent at all.
        torch.testing.assert_close((torso * 12).round() / 12, torso, atol=1e-6, rtol=0)
        assert exists[1] or not torso.any()
        assert exists[2] or not face.any()
        if exists[2]:
            parent = torso if exists[1] else whole
            origin, side = parent[:2].repeat(2), (parent[2:] - parent[:2]).repeat(2)
            cells = (face - origin) / side * 12
            torch.testing.assert_close(cells.round(), cells, atol=1e-4, rtol=0)
            assert cells.min() > -1e-4 and cells.max() < 12 + 1e-4


@given(KEYPOINTS)
def test_regions_hold_their_visible_points(points: Tensor) -> None:
    points = visible_inside(points)
    boxes = region_boxes(points, (TORSO,), 12)[0]
    seen = points[0, list(TORSO.points)]
    seen = seen[seen[:, 2] > 0]
    if has_area(boxes)[1]:
        assert (seen[:, :2] >= boxes[1, :2] - 1e-6).all()
        assert (seen[:, :2] <= boxes[1, 2:] + 1e-6).all()


def test_any_number_of_regions() -> None:
    points = keypoints(left_wrist=(0.2, 0.5), left_elbow=(0.25, 0.4), nose=(0.8, 0.1))
    arm, head = Region((9, 11), minimum=2), Region((0,), minimum=1)
    boxes = region_boxes(points, (arm, head, arm, head), 8)
    assert boxes.shape == (1, 5, 4)
    torch.testing.assert_close(boxes[:, 1], boxes[:, 3])
    assert region_boxes(points, (), 8).tolist() == [[[0, 0, 1, 1]]]


def test_unknown_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="reach must be distance or extent"):
        Region((0,), minimum=1, reach="width")
