"""What a row must be: the quick answer for many rows is the careful one of each."""

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.manifest.checks import MAX_URL, checked

URLS = st.lists(
    st.sampled_from(
        [
            "http://",
            "https://",
            "HTTP://",
            "ftp://",
            "a",
            "ü",
            "/",
            "?",
            "#",
            " ",
            "\t",
            "\n",
            "\x7f",
        ]
    ),
    max_size=6,
).map("".join)


def outcomes(urls, names=None, sha256=None, problems=None):
    rows = len(urls)
    columns = {
        "lines": [1] * rows,
        "url": pa.array(urls, pa.string()),
        "name": pa.array(names or ["Ann"] * rows, pa.string()),
        "sha256": pa.array(sha256 or [None] * rows, pa.string()),
        "problem": pa.array(problems or [None] * rows, pa.string()),
    }
    return checked(pa.record_batch(columns)).to_pylist()


@given(st.lists(URLS | st.none(), max_size=6))
def test_urls(urls):
    for row, url in zip(outcomes(urls), urls, strict=True):
        trimmed = (url or "").strip(" \t\r\n")
        assert row["url"] == (trimmed or None)
        if not trimmed:
            assert row["outcome"] == "manifest:no-url"
        elif re.fullmatch(r"(?i:https?)://[^/?# \x00-\x1f\x7f][^\x00-\x1f\x7f]*", trimmed):
            assert row["outcome"] is None
        else:
            assert row["outcome"] == "manifest:bad-url"


def test_the_length_of_a_url_is_counted_in_characters():
    url = "http://a/" + "ü" * (MAX_URL - 9)
    assert [row["outcome"] for row in outcomes([url, url + "ü"])] == [None, "manifest:bad-url"]


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        ("ab" * 32, "ab" * 32),
        ("AB" * 32, "ab" * 32),
        (" sha256:" + "ab" * 32, "ab" * 32),
        ("0x" + "ab" * 32, "ab" * 32),
        ("", None),
        (None, None),
    ],
)
def test_digests_are_brought_into_one_form(given_, read):
    (row,) = outcomes(["http://a/1"], sha256=[given_])
    assert (row["sha256"], row["outcome"]) == (read, None)


@pytest.mark.parametrize("given_", ["ab", "g" * 64, "md5:" + "a" * 32, "ab" * 33])
def test_what_is_no_digest_is_told(given_):
    (row,) = outcomes(["http://a/1"], sha256=[given_])
    assert row["outcome"] == "manifest:bad-sha256"


def test_the_first_fault_counts():
    rows = outcomes(
        ["ftp://a", None, "http://a/1", "http://a/1", "x"],
        names=[None, None, " ", "Ann", "Ann"],
        sha256=["x", None, "x", None, None],
        problems=[None, None, None, "torn", "a blank line"],
    )
    assert [row["outcome"] for row in rows] == [
        "manifest:no-name", "manifest:no-url", "manifest:no-name", "manifest:bad-row",
        "manifest:blank-line",
    ]  # fmt: skip
