"""The ablation's own arithmetic, and the heads that it tries."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.ablation import TASKS, differences, folder_of, head_of
from benchmarks.head_diagnosis import Side, around, common, cosines, effective_rank, erased, ranks
from benchmarks.head_trials import TRIALS
from model.sapiensid.heads.choice import OF_PARTS, make_head
from model.sapiensid.heads.encoded import Encoded

WIDTH, POINTS, FEATURE = 16, 19, 64


@pytest.mark.parametrize("row", TRIALS)
def test_a_trial_head_gives_features_and_learns(row: str) -> None:
    random = torch.Generator().manual_seed(0)
    tokens = torch.randn(3, 30, WIDTH, generator=random)
    encoded = Encoded(
        tokens_BND=tokens,
        positions_BND=torch.randn(3, 30, WIDTH, generator=random),
        ids_BN=torch.arange(0, 180, 6).expand(3, -1),
        mask_BN=torch.arange(30).expand(3, -1) < torch.tensor([[30], [20], [9]]),
        boxes_BR4=torch.zeros(3, 3, 4),
        keypoint_positions_BKD=torch.randn(3, POINTS, WIDTH, generator=random),
        visible_BK=torch.ones(3, POINTS, dtype=torch.bool),
    )
    with head_of(row):
        head = make_head(row, WIDTH, POINTS, FEATURE, 2, 1, "top1", False)
    assert row not in OF_PARTS
    features = head(encoded)
    assert features.shape == (3, FEATURE)
    features.square().sum().backward()
    first = next(one for name, one in head.named_parameters() if name.endswith("0.weight"))
    assert first.grad is not None and bool(first.grad.abs().sum() > 0)
    hidden = encoded._replace(tokens_BND=tokens.where(encoded.mask_BN[..., None], 1e3))
    head.eval()  # in training its weights may move
    torch.testing.assert_close(head(hidden), head(encoded))


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    for row, figures in {"one": (10.0, 30.0, 20.0), "other": (13.0, 32.0, 24.0)}.items():
        for seed, figure in enumerate(figures):
            folder = folder_of(tmp_path, row, seed)
            folder.mkdir(parents=True)
            (folder / "figures.json").write_text(json.dumps(dict.fromkeys(TASKS, figure)))
    told = differences(tmp_path, ["one", "other"], 3, "one")
    # 3, 2 and 4: their mean, and 4.303 times their deviation over the root of three
    assert "| other | +3.0 | +0.5 to +5.5 |" in told


def side(people: list[int]) -> Side:
    return Side(torch.zeros(0), torch.zeros(0), np.array(people))


def test_ranks_and_the_comparison_of_what_both_show() -> None:
    random = np.random.default_rng(0)
    people = [0, 0, 1, 1, 2, 2]
    centres = random.normal(size=(3, POINTS, 4))
    sides = [
        (centres[people] + 0.1 * random.normal(size=(6, POINTS, 4))).astype(np.float32)
        for _ in range(2)
    ]
    assert ranks([side(people), side(people)], cosines(sides)) == [100.0] * 4
    seen = [np.zeros((6, POINTS), bool), np.ones((6, POINTS), bool)]
    seen[0][:, :5] = True
    sides[0][:, 5:] = random.normal(size=(6, POINTS - 5, 4))  # what is not seen says nothing
    assert ranks([side(people), side(people)], common(sides, seen)) == [100.0] * 4


def test_the_effective_rank() -> None:
    assert effective_rank(torch.eye(7)) == pytest.approx(7)
    assert effective_rank(torch.ones(5, 9)) == pytest.approx(1, abs=1e-3)


def test_what_is_erased_is_grey_and_has_no_keypoints() -> None:
    keypoints = torch.zeros(1, 19, 3)
    keypoints[0, :7] = torch.tensor([0.5, 0.5, 1.0])
    keypoints[0, 0] = torch.tensor([0.3, 0.4, 1.0])
    keypoints[0, 7] = torch.tensor([0.9, 0.9, 1.0])
    one = Side(torch.zeros(1, 3, 10, 10, dtype=torch.uint8), keypoints, np.array([0]))
    box = around(one, slice(0, 7))
    np.testing.assert_allclose(box, [[0.2, 0.3, 0.6, 0.6]], atol=1e-6)
    covered = erased(one, box)
    assert (covered.images[0, :, 3:6, 2:6] == 128).all()
    assert int((covered.images == 128).sum()) == 3 * 3 * 4
    assert covered.keypoints[0, :7].abs().sum() == 0 and covered.keypoints[0, 7, 2] == 1
