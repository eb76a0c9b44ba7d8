"""CMC and mAP against the official metric code, data set by data set."""

import numpy as np
import pytest
import torch
from evaluation_golden import RULES, TOLERANCE, assert_official, golden, side

from model.evaluation.pooling import pool_tracks
from model.evaluation.ranking import evaluate

GENERAL = ("ccda", "market1501", "msmt17", "occluded_reid", "webbody_test")


@pytest.mark.parametrize("tensors", [False, True], ids=["numpy", "torch"])
@pytest.mark.parametrize("name", [*GENERAL, "celebreid", "ltcc", "deepchange"])
def test_data_sets_of_images(name, tensors):
    case = golden(f"{name}_seed0.npz")
    query, gallery = side(case, "q_", tensors=tensors), side(case, "g_", tensors=tensors)
    if name == "celebreid":
        assert_official(case, "overall", query, gallery, "ignore_cameras")
    rules = RULES if name in ("ltcc", "deepchange") else {"overall": "general"}
    for official, rule in rules.items():
        assert_official(case, official, query, gallery, rule)


def test_ccda_without_cameras():
    case = golden("ccda_seed0.npz")
    ranking = evaluate(side(case, "q_"), side(case, "g_"), "ignore_cameras")
    np.testing.assert_allclose(ranking.mAP, case["cpu_overall_mAP"], atol=TOLERANCE)
    np.testing.assert_allclose(ranking.cmc, case["cpu_overall_cmc"], atol=TOLERANCE)
    assert abs(ranking.mAP - case["out_overall_mAP"]) > 100 * TOLERANCE


@pytest.mark.parametrize(("prefix", "official"), [("qs_", "same_clothes"), ("qd_", "diff_clothes")])
def test_prcc(prefix, official):
    case = golden("prcc_seed0.npz")
    assert_official(case, official, side(case, prefix), side(case, "g_"), "general")


@pytest.mark.parametrize(("official", "rule"), RULES.items())
def test_ccvid_by_frame(official, rule):
    case = golden("ccvid_image_seed0.npz")
    is_query = case["is_query"].astype(bool)
    query, gallery = side(case, rows=is_query), side(case, rows=~is_query)
    assert_official(case, official, query, gallery, rule)


@pytest.mark.parametrize("tensors", [False, True], ids=["numpy", "torch"])
@pytest.mark.parametrize("kind", ["track", "clip"])
@pytest.mark.parametrize(("official", "rule"), RULES.items())
def test_ccvid_by_track_and_clip(kind, official, rule, tensors):
    case = golden(f"ccvid_{kind}_seed0.npz")
    is_query = case["is_query"].astype(bool)
    sides = []
    for rows in (is_query, ~is_query):
        track = torch.from_numpy(case["track"][rows]) if tensors else case["track"][rows]
        sides.append(pool_tracks(side(case, rows=rows, tensors=tensors), track)[0])
    assert_official(case, official, *sides, rule)
