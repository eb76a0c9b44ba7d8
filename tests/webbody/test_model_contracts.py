"""Contracts of model families: complete, on one scale, and named by every entry of the table."""

import math

import numpy as np
import pytest

from webbody import model_contracts as contracts
from webbody.model_table import FACE_DETECTOR, KEYPOINTS, KNOWN, PERSONS, find


@pytest.mark.parametrize("contract", contracts.FAMILIES.values(), ids=lambda c: c.family)
def test_a_contract_says_all_that_a_stage_needs(contract):
    assert contract.source.split(":")[0] and contract.output and contract.score
    assert all(math.isfinite(value) for value in contract.mean)
    assert all(value > 0 for value in contract.std)
    if contract.threshold is not None:
        assert contract.threshold_source and contract.accepts(contract.threshold)
        assert not contract.accepts(contract.scale[1] + 0.01)
        assert not contract.accepts(contract.scale[0] - 0.01)


def test_every_known_model_has_a_family_whose_threshold_its_stage_can_use():
    for model in KNOWN:
        assert model.contract in contracts.FAMILIES.values(), model.name
        if model.backend in (PERSONS, FACE_DETECTOR):
            assert model.contract.threshold is not None, model.name
        if model.backend == KEYPOINTS:
            assert model.contract.beta and model.contract.keypoints, model.name


def test_the_families_of_simcc_differ_by_the_temperature_of_their_training():
    # From the configurations that `source` names; peaks are near 0.5 and near 5.
    betas = {find(name, KEYPOINTS).contract.beta for name in ("rtmpose-m-256x192",)}
    assert betas == {10} and find("rtmw-l-256x192", KEYPOINTS).contract.beta == 1
    assert find("dwpose-l-384x288", KEYPOINTS).contract.beta == 10
    assert find("dwpose-l-384x288", KEYPOINTS).input_size == (288, 384)


def test_channels_that_are_the_same_picture_in_two_orders_have_their_means_in_two_orders():
    rgb, bgr = contracts.RTMPOSE, contracts.RTMDET
    assert (rgb.colours, bgr.colours) == ("RGB", "BGR")
    np.testing.assert_array_equal(rgb.mean, bgr.mean[::-1])
    np.testing.assert_array_equal(rgb.std, bgr.std[::-1])


def test_insightfaces_detectors_are_asked_for_one_half_and_the_papers_for_its_own():
    assert find("buffalo_l", FACE_DETECTOR).contract.threshold == 0.5
    assert contracts.RETINAFACE_R50.threshold == 0.95


def test_the_url_of_a_known_file_has_its_family_and_another_has_none():
    known = find("rtmw-l-256x192", KEYPOINTS)
    assert find(known.source, KEYPOINTS).contract is contracts.RTMW
    assert find("https://example.org/other.zip", KEYPOINTS).contract is None
