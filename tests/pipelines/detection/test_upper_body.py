"""The region in which a face is looked for."""

import numpy as np

from pipelines.detection.upper_body import upper_body


def person(**points: tuple[float, float]) -> np.ndarray:
    names = [
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
    ]
    out = np.zeros((17, 3), np.float32)
    for name, place in points.items():
        out[names.index(name)] = (*place, 1)
    return out


FRONT = {
    "nose": (100, 60),
    "left_eye": (110, 50),
    "right_eye": (90, 50),
    "left_ear": (120, 55),
    "right_ear": (80, 55),
}


def test_head_and_shoulders():
    points = person(**FRONT, left_shoulder=(150, 110), right_shoulder=(50, 112))
    (x1, y1, x2, y2), located = upper_body(points, 200, 500)
    assert located
    assert y2 == 112 and y1 == 0  # cut at the lower shoulder; 1.5 of the height upwards
    assert (x1, x2) == (12, 188)  # 0.375 of the width at each side


def test_a_head_without_shoulders_keeps_room_for_hair_and_chin():
    (x1, y1, x2, y2), located = upper_body(person(**FRONT), 300, 500)
    assert located
    assert x1 <= 40 and x2 >= 160 and y1 == 0 and 100 < y2 < 250


def test_without_a_head_it_is_the_whole_crop():
    assert upper_body(np.zeros((17, 3), np.float32), 200, 500) == ((0, 0, 200, 500), False)
    shoulders = person(left_shoulder=(150, 110), right_shoulder=(50, 112))
    assert upper_body(shoulders, 200, 500) == ((0, 0, 200, 500), False)


def test_points_outside_the_crop_do_not_leave_it():
    (x1, y1, x2, y2), _ = upper_body(person(nose=(2, 3), left_eye=(9, -4)), 60, 40)
    assert 0 <= x1 < x2 <= 60 and 0 <= y1 < y2 <= 40
