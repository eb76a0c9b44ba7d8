"""Tracks, clips and templates: what is pooled, and CCVID's cutting."""

import numpy as np
import pytest
import torch
from evaluation_golden import TOLERANCE, fuse, golden

from model.evaluation.clips import cut_clips
from model.evaluation.pooling import pool_templates, pool_tracks
from model.evaluation.ranking import Images
from model.evaluation.tar_at_far import pair_scores
from webbody.errors import WebbodyError

#: Whether features keep their lengths, and whether they are multiplied by the detector's score.
IJB = {
    "normT_detT": (True, True),
    "normT_detF": (True, False),
    "normF_detT": (False, True),
}


def test_clips_are_cut_as_the_official_code_does():
    case = golden("ccvid_clips.npz")
    for length, (first, end) in zip(case["track_length"], case["clip_range"], strict=True):
        np.testing.assert_array_equal(cut_clips(int(length)), case["clips"][first:end])
    assert cut_clips(0).shape == (0, 16)


def test_every_frame_is_in_a_clip():
    for length in (1, 15, 16, 17, 64, 100, 1000):
        clips = cut_clips(length)
        assert len(clips) == -(-length // 16)
        assert np.unique(clips).tolist() == list(range(length))


def test_a_track_is_the_mean_of_unit_features():
    features = np.array([[5, 0], [0, 0.1], [1, 1]], np.float32)
    frames = Images(features, np.array([7, 7, 8]), None, np.array([2, 2, 3]))
    tracks, numbers = pool_tracks(frames, np.array([40, 40, 12]))
    assert numbers.tolist() == [12, 40]
    np.testing.assert_allclose(tracks.features, np.full((2, 2), 0.5**0.5), atol=1e-6)
    assert (tracks.person.tolist(), tracks.camera, tracks.clothes.tolist()) == (
        [8, 7],
        None,
        [3, 2],
    )


@pytest.mark.parametrize(
    ("track", "told"),
    [
        ([1, 1, 1], "frames of track 1 differ in their person"),
        ([1, 1], "3 features cannot be pool"),
    ],
)
def test_tracks_that_cannot_be_are_told(track, told):
    frames = Images(np.ones((3, 2), np.float32), np.array([7, 7, 8]))
    with pytest.raises(WebbodyError, match=told):
        pool_tracks(frames, np.array(track))


@pytest.mark.parametrize(("name", "setting"), IJB.items())
def test_templates_and_scores_of_ijb(name, setting):
    case = golden("ijb_seed0.npz")
    keeps_length, by_score = setting
    features = case["feat"] + case["feat_flip"]
    if not keeps_length:
        features = fuse(case["feat"], case["feat_flip"]).numpy()
    if by_score:
        features = features * case["faceness"][:, None]
    templates, numbers = pool_templates(features, case["templates"], case["medias"])
    np.testing.assert_array_equal(numbers, case["out_unique_templates"])
    expected = case[f"out_{name}_template_feats"]
    np.testing.assert_allclose(templates, expected, atol=TOLERANCE)
    scores = pair_scores(templates, numbers, torch.from_numpy(case["p1"]), case["p2"])
    np.testing.assert_allclose(scores, case[f"out_{name}_scores"], atol=TOLERANCE)


def test_templates_without_media_are_means_of_images():
    features = np.array([[3, 0], [0, 4], [0, 0]], np.float32)
    templates, numbers = pool_templates(features, np.array([5, 5, 9]))
    assert numbers.tolist() == [5, 9]
    np.testing.assert_allclose(templates, [[0.6, 0.8], [0, 0]], atol=1e-6)
    with pytest.raises(WebbodyError, match="1 of 3 template features are NaN"):
        pool_templates(np.array([[1.0], [np.nan], [1.0]]), np.zeros(3, int))


def test_pairs_of_unknown_templates_are_told():
    templates, numbers = torch.ones(2, 1), torch.tensor([5, 9])
    assert len(pair_scores(templates, numbers, np.zeros(0, int), np.zeros(0, int))) == 0
    with pytest.raises(WebbodyError, match="2 pairs name templates without images"):
        pair_scores(templates, numbers, np.array([5, 7, 11]), np.array([9, 9, 9]))
