"""Shares of visible keypoints, of shards whose keypoints are known."""

import io
import json

import fsspec
import numpy as np
import pytest

from model.evaluation.visibility import keypoint_visibility
from webbody.errors import WebbodyError
from webbody.shards import TarWriter
from webbody.skeleton import NAMES


def shard(keypoints):
    """The bytes of a tar with a sample for each of some keypoints (N, 19, 3); no real pictures."""
    buffer = io.BytesIO()
    tar = TarWriter(buffer)
    for number, points in enumerate(keypoints):
        tar.add(f"{number}.jpg", b"no picture")
        tar.add(f"{number}.json", json.dumps({"keypoints": points.tolist()}).encode())
    tar.close()
    return buffer.getvalue()


def some(seed, count):
    """Keypoints that are visible the more rarely, the later they come in the skeleton."""
    generator = np.random.default_rng(seed)
    points = generator.uniform(1, 383, (count, len(NAMES), 3))
    points[..., 2] = generator.random((count, len(NAMES))) > np.linspace(0, 1, len(NAMES))
    return points


def test_shares_of_all_images_of_all_data_sets(tmp_path):
    parts = [some(seed, count) for seed, count in enumerate((30, 1, 12))]
    for number, points in enumerate(parts[:2]):
        (tmp_path / f"{number}.tar").write_bytes(shard(points))
    fsspec.filesystem("memory").pipe("/visible/web.tar", shard(parts[2]))
    found = keypoint_visibility([str(tmp_path), "memory://visible/*.tar"])
    assert found.images == 43 and tuple(found.share) == NAMES
    expected = np.concatenate(parts)[..., 2].mean(0)
    np.testing.assert_allclose(list(found.share.values()), expected)
    assert found.share["nose"] == 1 and found.share["right_ankle"] == 0


def test_what_counts_as_visible(tmp_path):
    points = np.ones((4, len(NAMES), 3))
    points[:, 1, 2] = [0, 0.01, 1, -1]
    points[:, 2, 0] = [np.nan, np.inf, 0, 5]
    (tmp_path / "a.tar").write_bytes(shard(points))
    share = keypoint_visibility([str(tmp_path)]).share
    assert (share["left_eye"], share["right_eye"], share["nose"]) == (0.5, 0.5, 1)


def test_only_the_shards_of_the_split_count(tmp_path):
    points = {"train": some(0, 5), "test": some(1, 7)}
    for split, of in points.items():
        (tmp_path / f"{split}.tar").write_bytes(shard(of))
    listed = {split: {"shards": [{"name": f"{split}.tar"}]} for split in points}
    (tmp_path / "index.json").write_text(json.dumps({"splits": listed}))
    for split, of in points.items():
        found = keypoint_visibility([str(tmp_path)], split)
        np.testing.assert_allclose(list(found.share.values()), of[..., 2].mean(0))


def test_damaged_shards_are_told(tmp_path):
    with pytest.raises(WebbodyError, match="no shards"):
        keypoint_visibility([str(tmp_path)])
    whole = shard(some(0, 5))
    (tmp_path / "a.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WebbodyError, match=r"a\.tar is (damaged|cut off)"):
        keypoint_visibility([str(tmp_path)])
    (tmp_path / "a.tar").write_bytes(shard(np.ones((1, 17, 3))))
    with pytest.raises(WebbodyError, match="0 has keypoints of shape"):
        keypoint_visibility([str(tmp_path)])
