"""Figures of a release, compared with counting by hand."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_release import sample

from webbody.releases.figures import IMAGES, PIXELS, classes, count, domain, domain_table
from webbody.releases.format import SCHEMA


@given(st.lists(st.integers(0, 5000)), st.sampled_from([IMAGES, PIXELS]))
def test_every_value_is_in_one_class(values, ends):
    values = [max(value, ends[0]) for value in values]
    found = classes(np.array(values, np.int64), ends)
    assert sum(found.values()) == len(values)
    for name, n in found.items():
        low, _, high = name.replace("+", "-1000000").partition("-")
        assert n == sum(int(low) <= value <= int(high or low) for value in values)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.Example.org/a.jpg", "example.org"),
        ("http://user:secret@cdn.example.org:8080/a", "cdn.example.org"),
        ("http://[::1]/a", "::1"),
        ("http://[bad/a", ""),
        ("https://wwwx.org", "wwwx.org"),
    ],
)
def test_a_domain_is_the_host_alone(url, host):
    assert domain(url) == host


def test_figures_add_up_over_tables():
    rows = [sample(n, n % 4, "test" if n % 4 == 0 else "train") for n in range(22)]
    for row in rows[:6]:
        row["keypoints"] = [0.0] * 57
    rows[0]["url"] = "https://other.net/x"
    rows[1]["opt_out"] = "noai"
    tables = [pa.Table.from_pylist(rows[:5], SCHEMA), pa.Table.from_pylist(rows[5:], SCHEMA)]
    figures = count(tables)
    told = figures.to_json()
    assert (told["samples"], told["people"]) == (22, 4)
    assert told["splits"] == {
        "train": {"samples": 16, "people": 3}, "test": {"samples": 6, "people": 1},
    }  # fmt: skip
    assert told["images_a_person"] == {"people": {"5-9": 4}, "mean": 5.5, "median": 5.5, "most": 6}
    points = np.array([row["keypoints"] for row in rows]).reshape(22, 19, 3)
    assert list(told["visible"].values()) == pytest.approx((points[..., 2] > 0).mean(0), abs=1e-6)
    assert told["person_height"] == {"samples": {"32-63": 22}, "median": 50.0}
    assert told["opt_out"] == 1 and told["known"]["fetched"] == 22
    assert told["known"]["etag"] == sum(row["etag"] is not None for row in rows)
    assert told["fetched"] == ["2026-11-30", "2026-11-30"]
    assert domain_table(figures.domains).to_pylist() == [
        {"domain": "example.org", "samples": 21}, {"domain": "other.net", "samples": 1},
    ]  # fmt: skip


def test_nothing_gives_zeros():
    told = count([]).to_json()
    assert told["samples"] == 0 and told["fetched"] is None
