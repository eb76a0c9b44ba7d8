"""WebBody-Test's selection, against what the authors' script selects on synthetic rows."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    np.testing.assert_array_equal(people, golden["out_eligible_labels_sorted"])


@settings(max_examples=50)
@given(st.sets(st.integers(0, 2**48), min_size=1), st.integers(0, 40), st.integers(0, 3))
def test_a_person_who_comes_or_goes_changes_one_place(people, count, seed):
    everybody = np.array(sorted(people), np.int64)
    drawn = set(draw(everybody, count, seed).tolist())
    assert len(drawn) == min(count, len(people))
    without = set(draw(everybody[1:], count, seed).tolist())
    assert len(drawn - without) <= 1
    assert drawn - without <= {everybody[0]}
    assert set(draw(everybody[::-1], count, seed).tolist()) == drawn


def test_another_seed_draws_others():
    people = np.arange(1000)
    assert set(draw(people, 50, 0).tolist()) != set(draw(people, 50, 1).tolist())
    assert 400 < np.mean([draw(people, 50, seed).mean() for seed in range(20)]) < 600
