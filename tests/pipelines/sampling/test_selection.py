"""WebBody-Test's selection, against what the authors' script selects on synthetic rows."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.sampling.selection import draw, eligible, shows_body
from webbody import skeleton
from webbody.config import SplitSettings

GOLDEN = Path(__file__).parent / "data" / "webbody_select_seed0.npz"


@pytest.fixture(scope="module")
def golden():
    return np.load(GOLDEN)


@pytest.fixture(scope="module")
def body(golden):
    points = golden["kps_xyn"].reshape(-1, 17, 2)
    visible = (points > 0).any(-1, keepdims=True)
    return shows_body(skeleton.from_coco17(np.concatenate([points, visible], -1)))


def counts(golden, body):
    label = golden["label"]
    images = np.bincount(label)
    return images, np.bincount(label[body], minlength=len(images))


def test_images_that_show_the_body(golden, body):
    np.testing.assert_array_equal(body, golden["out_qualifying_image"])


def test_eligible_people(golden, body):
    images, body_images = counts(golden, body)
    section = SplitSettings()
    people = eligible(images, body_images, section.test_images, section.test_body_images)
    np.testing.assert_array_equal(np.sort(people), golden["out_eligible_labels_sorted"])
    # The official order is by images too; how it breaks ties is up to the version of pandas.
    np.testing.assert_array_equal(
        images[people], images[golden["out_eligible_labels_official_order"]]
    )


def test_the_draw(golden):
    drawn = draw(
        golden["out_eligible_labels_official_order"],
        int(golden["num_test_subjects"]),
        int(golden["numpy_seed"]),
    )
    np.testing.assert_array_equal(drawn, golden["out_selected_labels"])


def test_fewer_people_than_wanted():
    assert sorted(draw(np.array([3, 1, 2]), 10, 0)) == [1, 2, 3]
    assert len(draw(np.zeros(0, np.int64), 10, 0)) == 0
