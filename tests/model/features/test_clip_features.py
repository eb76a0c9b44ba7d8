"""Clips from shards: which frames they have, and the features made of them."""

import io

import numpy as np
import pytest
import torch

from model import SapiensID
from model.features.clips import ClipExtractor, read_clips
from model.features.samples import Sample, read_shard
from model.sapiensid.sapiensid import PRESETS
from webbody.demo.pose_scale import write_walks
from webbody.errors import WebbodyError


def sample(track: str | None, number: int, person: int = 1, outcome: str | None = None) -> Sample:
    image = np.full((96, 96, 3), 10 * number, np.uint8)
    points = np.full((19, 3), 0.1 + 0.05 * number, np.float32)
    return Sample("a.tar", f"{track}-{number}", image, points, person, None, outcome, track=track)


def numbers(clip) -> list[str]:
    return [frame.key for frame in clip.frames]


def test_frames_are_spread_over_the_track() -> None:
    samples = [sample("x", number) for number in range(9)] + [sample("y", 0)]
    first, second = read_clips(samples, 3)
    assert numbers(first) == ["x-0", "x-4", "x-8"] and numbers(second) == ["y-0"]
    (whole, _) = read_clips(samples, 100)
    assert len(whole.frames) == 9


def test_damaged_frames_do_not_count() -> None:
    samples = [sample("x", n, outcome="image:truncated" if n < 2 else None) for n in range(3)]
    assert [numbers(clip) for clip in read_clips(samples, 2)] == [["x-2"]]
    assert not list(read_clips(samples[:2], 2))


def test_an_image_of_no_track_is_a_clip() -> None:
    clips = list(read_clips([sample(None, 1), sample(None, 2)], 4))
    assert [numbers(clip) for clip in clips] == [["None-1"], ["None-2"]]


@pytest.mark.parametrize(
    ("samples", "most", "told"),
    [
        ([sample("x", 0), sample("y", 0), sample("x", 1)], 2, "do not lie together"),
        ([sample("x", 0), sample("x", 1, person=2)], 2, "show different people"),
        ([sample("x", 0)], 0, "give 1 or more"),
    ],
)
def test_what_is_no_track_is_told(samples, most, told) -> None:
    with pytest.raises(WebbodyError, match=told):
        list(read_clips(samples, most))


def model() -> SapiensID:
    torch.manual_seed(0)
    small = {"depth": 1, "width": 32, "heads": 2, "feature_dim": 16, "image_size": 96, "grid": 4}
    return SapiensID(**{**PRESETS["tiny"], **small}, keypoint_bias=16).eval()


def test_features_depend_on_nothing_else_in_the_batch() -> None:
    clips = list(read_clips([sample("x", n) for n in range(3)] + [sample("y", 5)], 8))
    for pooling in ("head", "mean"):
        together = [feature for _, feature in ClipExtractor(model(), pooling)(clips)]
        alone = [feature for _, feature in ClipExtractor(model(), pooling, batch=1)(clips)]
        np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    # of one frame both ways have the same direction
    ways = (ClipExtractor(model(), "head"), ClipExtractor(model(), "mean"))
    (_, head), (_, mean) = (next(way(clips[1:])) for way in ways)
    cosine = head @ mean / np.linalg.norm(head) / np.linalg.norm(mean)
    assert cosine == pytest.approx(1, abs=1e-6)


def test_an_unknown_way_is_told() -> None:
    with pytest.raises(WebbodyError, match="choose head or mean"):
        ClipExtractor(model(), "sum")


def test_drawn_walks_are_tracks(tmp_path) -> None:
    write_walks(tmp_path / "one", [900_001, 900_002], walks=1, frames=3)
    write_walks(tmp_path / "two", [900_001, 900_002], walks=1, frames=3)
    data = (tmp_path / "one" / "walk-000.tar").read_bytes()
    assert data == (tmp_path / "two" / "walk-000.tar").read_bytes()
    clips = list(read_clips(read_shard(io.BytesIO(data), "walk", 96), 8))
    assert [clip.person for clip in clips] == [900_001, 900_002]
    for clip in clips:
        points = np.stack([frame.keypoints for frame in clip.frames])
        assert len(clip.frames) == 3 and points[0, :7, 2].sum() >= 3
        moved = np.abs(points[1:, :, :2] - points[:-1, :, :2]).max(1)
        assert moved.max() > 0.02  # the legs swing
