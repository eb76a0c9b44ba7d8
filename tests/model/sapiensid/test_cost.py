"""Parameters and arithmetic of the paper's model, on tensors that hold no memory."""

import pytest
import torch

from model import SapiensID
from tests.model.count_flops import counted_flops

KEYPOINTS, CELLS, PARTS = 19, 144, 76
WIDTH, DEPTH, HIDDEN, SHRUNK, FEATURE = 512, 24, 1536, 32, 4096
TABLES = DEPTH * 16 * 50


@pytest.fixture(scope="module")
def base() -> SapiensID:
    with torch.device("meta"):
        return SapiensID().eval()


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_the_papers(base: SapiensID) -> None:
    head = base.head
    assert parameters(head.project) == 335_560_704
    assert parameters(head.attention) == 1_049_600
    assert (head.offsets_PD.numel(), head.part_weights.numel()) == (38_912, 152)
    assert parameters(head) == 336_649_368
    assert parameters(base.blocks) == 63_025_152
    assert parameters(base.keypoint_bias) == 10_177_824
    assert parameters(base.patch_embed) == 1_573_376
    # The published count includes the fixed table of positions, with a row of zeros for CLS.
    positions = base.positions.table_SSD.numel() + WIDTH
    assert positions == 74_240
    assert parameters(base) + positions == 411_502_008


def reference_flops(tokens: int) -> int:
    """What a forward of one image takes in the authors' code: 2 for each multiplication."""
    all_tokens = tokens + 2  # CLS and the mask token
    blocks = 2 * DEPTH * (4 * WIDTH**2 + 2 * WIDTH * HIDDEN) * all_tokens
    attention = 4 * DEPTH * WIDTH * all_tokens**2
    bias = shrink_each_pair(tokens) + 2 * (KEYPOINTS * SHRUNK + TABLES) * WIDTH * all_tokens
    patches = 2 * 3072 * WIDTH * tokens
    head = 2 * (2 * tokens + 2 * PARTS) * WIDTH**2 + (4 + 2) * PARTS * WIDTH * tokens
    feature = 2 * (2 * PARTS * WIDTH * FEATURE + FEATURE**2)
    return blocks + attention + bias + patches + head + feature


def shrink_each_pair(tokens: int) -> int:
    return 2 * WIDTH * SHRUNK * KEYPOINTS * (tokens + 2)


@pytest.mark.parametrize("tokens", [112, 146, 166, 281, 432])
def test_a_forward_takes_the_references_arithmetic_but_for_two_parts(
    base: SapiensID, tokens: int
) -> None:
    counted = counted_flops(base, tokens)
    # The map of a token's and a keypoint's difference is the difference of their maps.
    saved = shrink_each_pair(tokens) - 2 * WIDTH * SHRUNK * (tokens + 2 + KEYPOINTS)
    # Positions are sampled by a product with the table; the reference's sampling is not counted.
    added = 2 * CELLS * WIDTH * (tokens + KEYPOINTS)
    assert counted + saved - added == reference_flops(tokens)
    assert counted == pytest.approx(reference_flops(tokens), rel=0.01)


@pytest.mark.parametrize(
    ("tokens", "billions"),
    [(112, 18.61), (146, 24.19), (166, 27.525), (281, 47.458), (432, 75.61)],
)
def test_the_formula_gives_the_references_counts(tokens: int, billions: float) -> None:
    assert reference_flops(tokens) / 1e9 == pytest.approx(billions, rel=0.001)
