"""Shards of drawn people at all scales."""

from pathlib import Path

import numpy as np

from model.training.data.table import read_table
from webbody.demo.pose_scale import picture, write_pose_scale
from webbody.skeleton import NAMES


def test_shards_hold_every_picture_of_every_person_and_can_be_trained_on(tmp_path: Path) -> None:
    write_pose_scale(tmp_path, range(7, 10), {"close": 2, "full": 1})
    table = read_table([str(tmp_path)])
    assert sorted(table.person.tolist()) == [7, 7, 7, 8, 8, 8, 9, 9, 9]
    assert (table.width == 384).all() and (table.height == 384).all()
    close = np.array(["close" in table.shards[shard] for shard in table.shard])
    assert close.sum() == 6


def test_a_full_body_shows_nose_and_ankles_a_close_up_a_large_face_only() -> None:
    nose, ankle, ears = NAMES.index("nose"), NAMES.index("left_ankle"), [5, 6]
    for person in range(20, 26):
        _, full = picture(person, "full", 0)
        _, close = picture(person, "close", 0)
        assert full[nose, 2] == 1 and close[nose, 2] == 1
        assert close[ankle, 2] == 0
        spread = [np.ptp(points[ears, 0]) for points in (close, full)]
        assert spread[0] > 2 * spread[1]
    ankles = [picture(person, "full", 0)[1][ankle, 2] for person in range(20, 26)]
    assert np.mean(ankles) > 0.5


def test_pictures_are_functions_of_person_shot_number_and_draw() -> None:
    rgb, points = picture(3, "upper", 1)
    again, same = picture(3, "upper", 1)
    assert np.array_equal(rgb, again) and np.array_equal(points, same)
    assert not np.array_equal(rgb, picture(3, "upper", 2)[0])
    assert not np.array_equal(rgb, picture(3, "upper", 1, draw=1)[0])
    seen = points[points[:, 2] > 0]
    assert (seen[:, :2] >= 0).all() and (seen[:, :2] < 384).all()
