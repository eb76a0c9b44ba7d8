"""What samples show of their people, against samples made to show it."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.statistics.body_figures import FRAMINGS, NOTHING, BodyFigures, framing
from webbody import skeleton

_HEAD = ("nose", "left_eye", "right_eye")
SHOWN = {
    "full body": (*_HEAD, "left_hip", "right_ankle"),
    "to the knees": (*_HEAD, "left_hip", "left_knee"),
    "half body": ("right_hip",),
    "to the arms": (*_HEAD, "left_shoulder", "right_wrist"),
    "head and shoulders": ("left_eye", "left_shoulder"),
    "head": ("right_ear",),
    NOTHING: (),
}


def points(names):
    seen = np.zeros((skeleton.COUNT, 3))
    for name in names:
        seen[skeleton.NAMES.index(name)] = (5, 7, 0.9)
    return seen


@pytest.mark.parametrize("name", SHOWN)
def test_framing(name):
    names = [*(known for known, _ in FRAMINGS), NOTHING]
    seen = points(SHOWN[name])[None, :, 2] > 0
    assert [names[place] for place in framing(seen)] == [name]


def table(rows):
    columns = ("keypoints", "box", "width", "height")
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(columns)})


def test_all_figures():
    figures = BodyFigures()
    full = points(SHOWN["full body"]).ravel().tolist()
    one_eye = points(SHOWN["head and shoulders"]).ravel().tolist()
    nothing = points(()).ravel().tolist()
    figures.add(
        table([(full, [0.0, 0.0, 0.5, 1.0], 400, 300), (one_eye, [0, 0.2, 1, 0.5], 100, 90)])
    )
    figures.add(table([(nothing, [0.25, 0.5, 0.75, 0.6], 1000, 1000)]))
    found = figures.to_json()
    assert found["framing"]["full body"] == found["framing"][NOTHING] == 1
    assert sum(found["framing"].values()) == 3
    assert found["view"] == {"both eyes": 1, "one eye": 1, "no eye": 1}
    assert found["scale"] == {"samples": {"10-19": 1, "30-39": 1, "100+": 1}, "median": 30.0}
    assert found["crop_side"]["samples"] == {"64-127": 1, "256-383": 1, "384-511": 1}
    assert found["crop_side"]["median"] == 300


def test_nothing_at_all():
    figures = BodyFigures().to_json()
    assert sum(figures["framing"].values()) == 0 and figures["scale"]["median"] == 0
