"""Identification: TinyFace with distractors, IJB-S with a closed and an open set."""

from pathlib import PurePath

import numpy as np
import pytest
import torch
from evaluation_golden import TOLERANCE, fuse, golden

from model.evaluation.open_set import identify
from model.evaluation.ranking import Images, evaluate


def ijbs(tensors=False):
    case = golden("ijbs_ident_seed0.npz")
    kind = torch.from_numpy if tensors else np.asarray
    sides = [
        Images(kind(case[f"{side}_feat"]), kind(case[f"{side}_subject"]))
        for side in ("probe", "g1", "g2")
    ]
    return case, sides


def both(first, second):
    joined = zip((first.features, first.person), (second.features, second.person), strict=True)
    return Images(*map(np.concatenate, joined))


def test_tinyface():
    case = golden("tinyface_seed0.npz")
    row = {PurePath(path).stem: number for number, path in enumerate(case["image_paths"])}
    features = fuse(case["feat"], case["feat_flip"]).numpy()

    def side(paths, person=None):
        names = [PurePath(path) for path in paths]
        people = [int(name.name.split("_")[0]) if person is None else person for name in names]
        return Images(features[[row[name.stem] for name in names]], np.array(people))

    gallery = both(side(case["gallery_paths"]), side(case["distractor_paths"], person=-100))
    ranking = evaluate(side(case["probe_paths"]), gallery, "ignore_cameras")
    for k in (1, 5, 20):
        assert 100 * ranking.rank(k) == pytest.approx(case[f"res_rank{k}"], abs=100 * TOLERANCE)
    assert ranking.skipped > 0


def test_ijbs_closed_set():
    case, (probe, *galleries) = ijbs()
    ranking = evaluate(probe, both(*galleries), "ignore_cameras")
    ranks = [ranking.rank(k) for k in (1, 5, 10)]
    np.testing.assert_allclose(ranks, case["res_closed_rank1_5_10"], atol=TOLERANCE)


@pytest.mark.parametrize("tensors", [False, True], ids=["numpy", "torch"])
def test_ijbs_open_set(tensors):
    case, (probe, *galleries) = ijbs(tensors)
    found = [identify(probe, gallery) for gallery in galleries]
    mean = np.mean([one.tpir for one in found], 0)
    np.testing.assert_allclose(mean, case["res_open_tpir_fpir001_01"], atol=TOLERANCE)
    assert [one.mated + one.strangers for one in found] == [len(probe.person)] * 2
    assert all(one.resolved.tolist() == [False, True] for one in found)


def test_a_stranger_sets_the_threshold():
    # Three mates with cosines 0.8, 0.6 and 0.96, and a stranger with 0.6.
    probe = np.array([[0.8, 0.6], [0.6, 0.8], [0.96, 0.28], [0.6, -0.8]], np.float32)
    gallery = Images(np.array([[1, 0]], np.float32), np.array([1]))
    found = identify(Images(probe, np.array([1, 1, 1, 2])), gallery, (0.5, 1.0))
    assert found.threshold == pytest.approx([0.60001, 0.6], abs=1e-6)
    assert found.tpir == pytest.approx([2 / 3, 1])
    assert found.resolved.tolist() == [False, True]


def test_a_tied_mate_is_not_found():
    features = np.ones((3, 2), np.float32)
    found = identify(Images(features, np.array([1, 2, 9])), Images(features, np.arange(3)), (1.0,))
    assert found.tpir.tolist() == [0] and found.strangers == 1


@pytest.mark.parametrize("people", [[1, 2], [3, 4]], ids=["no stranger", "no mate"])
@pytest.mark.parametrize("gallery", [2, 0])
def test_figures_that_are_not_defined(people, gallery):
    features = np.ones((2, 2), np.float32)
    enrolled = Images(features[:gallery], np.array([1, 2])[:gallery])
    found = identify(Images(features, np.array(people)), enrolled)
    assert np.isnan(found.tpir).all() and found.mated + found.strangers == 2
