"""Strip erasing: the very pixels that the model is given."""

import pytest
import torch
from torch import Tensor

from model.evaluation.studies.strips import StripErasing
from tests.model.evaluation.studies.captured import Kept, people, small

SIDE = 96
# left, top, width, height of the pictures on their white squares.
PICTURES = {
    "portrait": (28, 0, 40, 96),
    "landscape": (0, 30, 96, 36),
    "square": (0, 0, 96, 96),
    "odd": (0, 11, 96, 75),
    "low": (3, 90, 50, 5),
}


def padded(left: int, top: int, width: int, height: int) -> Tensor:
    """A picture in chance colours, a white row in its middle, on a white square."""
    image = torch.ones(3, SIDE, SIDE)
    picture = torch.rand(3, height, width) * 1.5 - 1
    picture[:, height // 2] = 1
    image[:, top : top + height, left : left + width] = picture
    return image


@pytest.fixture(scope="module")
def shown() -> dict[str, Tensor]:
    """What the model is given of each variant: (pictures, 3, side, side)."""
    torch.manual_seed(0)
    images = torch.stack([padded(*box) for box in PICTURES.values()])
    _, keypoints = people(len(images))
    model = Kept()
    study = StripErasing(model)
    study(images, keypoints)
    assert all(points is keypoints for _, points in model.calls)
    return dict(zip(study.variants, [image for image, _ in model.calls], strict=True))


def test_variants_are_the_tables_rows(shown: dict[str, Tensor]) -> None:
    tops, bottoms = ([f"{end} {count}" for count in range(1, 8)] for end in ("top", "bottom"))
    assert list(shown) == ["none", *tops, "full", *bottoms]
    assert (shown["none"] == 1).all()


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.parametrize("number", range(len(PICTURES)), ids=PICTURES)
def test_only_the_visible_strips_of_the_picture_are_left(
    shown: dict[str, Tensor], number: int, count: int
) -> None:
    _, top, _, height = list(PICTURES.values())[number]
    whole = shown["full"][number]
    for end in ("top", "bottom"):
        expected = whole.clone()
        for row in range(height):
            # Strips are counted in eighths of rows, so that nothing is rounded.
            visible = 8 * row < count * height if end == "top" else 8 * row >= (8 - count) * height
            if not visible:
                expected[:, top + row] = 1
        assert torch.equal(shown[f"{end} {count}"][number], expected)


def test_the_two_ends_make_up_the_picture(shown: dict[str, Tensor]) -> None:
    for count in range(1, 8):
        top, bottom = shown[f"top {count}"], shown[f"bottom {8 - count}"]
        assert torch.equal(torch.minimum(top, bottom), shown["full"])
        assert ((top == 1) | (bottom == 1)).all()


@pytest.mark.parametrize(("padding", "dropped"), [("training", False), ("always", True)])
@torch.inference_mode()
def test_erased_patches_are_candidates_as_padding_is(padding: str, dropped: bool) -> None:
    model, (images, keypoints) = small(padding=padding), people(4)
    keypoints[:, :, 2] = 0  # the whole image is the only region
    counts = []

    def count(module: torch.nn.Module, given: tuple) -> None:
        counts.append(given[0].mask_BN.sum(1).tolist())

    model.head.register_forward_pre_hook(count)
    study = StripErasing(model)
    study(images, keypoints)
    tokens = dict(zip(study.variants, counts, strict=True))
    assert tokens["full"] == tokens["none"] == [36] * 4  # a white image has no padding
    assert tokens["top 4"] == tokens["bottom 4"] == [18 if dropped else 36] * 4
