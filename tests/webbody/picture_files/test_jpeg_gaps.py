"""JPEGs that lack data within, and good ones, which must not be taken for such."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pictures import picture, saved
from PIL import Image

from webbody.images import ImageError, decode
from webbody.picture_files.jpeg_scans import scans

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_SAMPLINGS = ["4:4:4", "4:2:2", "4:2:0", "4:1:1"]


def made(
    width: int,
    height: int,
    progressive: bool = False,
    subsampling: str = "4:2:0",
    mode: str = "RGB",
    seed: int = 0,
    **restarts: int,
) -> bytes:
    image = picture(width, height, seed).convert(mode)
    return saved(
        image, "JPEG", quality=85, progressive=progressive, subsampling=subsampling, **restarts
    )  # fmt: skip


def restarts_of(data: bytes) -> list[int]:
    """Where the markers are, in all scans."""
    start = data.index(b"\xff\xda")
    return [found.start() for found in _RESTART.finditer(data, start)]


def truncated(data: bytes) -> bool:
    try:
        decode(data)
    except ImageError as error:
        assert error.outcome == "image:truncated", error
        return True
    return False


good = st.builds(
    made,
    st.integers(1, 200),
    st.integers(1, 200),
    progressive=st.booleans(),
    subsampling=st.sampled_from(_SAMPLINGS),
    mode=st.sampled_from(["RGB", "L", "CMYK"]),
    seed=st.integers(0, 9),
    restart_marker_blocks=st.integers(0, 40),
) | st.builds(
    made,
    st.integers(1, 200),
    st.integers(1, 200),
    progressive=st.booleans(),
    subsampling=st.sampled_from(_SAMPLINGS),
    restart_marker_rows=st.integers(1, 5),
)


@settings(max_examples=300, deadline=None)
@given(good)
def test_good_pictures_are_never_taken_for_damaged(data):
    assert not truncated(data)
    assert all(not scan.damage for scan in scans(data))


@settings(max_examples=200, deadline=None)
@given(good, st.data())
def test_a_lost_doubled_or_swapped_marker_is_found(data, draw):
    places = restarts_of(data)
    if not places:
        return
    at = draw.draw(st.sampled_from(places))
    other = draw.draw(st.sampled_from(["lost", "renumbered", "doubled", "piece lost"]))
    if other == "lost":
        damaged = data[:at] + data[at + 2 :]
    elif other == "renumbered":
        number = 0xD0 + (data[at + 1] - 0xD0 + draw.draw(st.integers(1, 7))) % 8
        damaged = data[: at + 1] + bytes([number]) + data[at + 2 :]
    elif other == "doubled":
        damaged = data[:at] + data[at : at + 2] + data[at:]
    else:
        following = min([place for place in places if place > at], default=None)
        if following is None or b"\xff\xda" in data[at:following]:
            return  # a whole scan, whose details nobody misses
        damaged = data[:at] + data[following:]
    assert truncated(damaged)


@pytest.mark.parametrize("lost", [8, 16])
def test_a_whole_round_of_markers_that_is_lost_or_too_many_is_found(lost):
    data = made(400, 300, restart_marker_rows=1)
    places = restarts_of(data)
    assert truncated(data[: places[0]] + data[places[lost] :])
    assert truncated(data[: places[lost]] + data[places[0] : places[lost]] + data[places[lost] :])


@pytest.mark.parametrize("progressive", [False, True])
def test_a_gap_inside_a_piece_is_found(progressive):
    noisy = np.random.default_rng(0).integers(0, 90, (320, 320, 3), np.uint8)
    data = saved(Image.fromarray(noisy), "JPEG", progressive=progressive, restart_marker_rows=2)
    places = restarts_of(data)
    gaps = [pair for pair in pairwise(places) if b"\xff\xda" not in data[slice(*pair)]]
    assert len(gaps) == (120 if progressive else 8)
    missed = []
    for first, second in gaps:
        middle = (first + second) // 2
        if not truncated(data[:middle].rstrip(b"\xff") + data[second:]):
            missed.append(first)
    # A piece of few bytes can be as good without some of them.
    assert len(missed) <= 1 and not set(missed) & {first for first, _ in gaps[:8]}


def test_markers_without_an_interval_are_found():
    data = made(300, 200)
    at = data.index(b"\xff\xda") + len(data[data.index(b"\xff\xda") :]) // 2
    while data[at - 1] == 0xFF:
        at += 1
    assert truncated(data[:at] + b"\xff\xd3" + data[at:])


def test_one_marker_more_behind_the_last_piece_harms_nobody():
    data = made(64, 64, subsampling="4:4:4", restart_marker_rows=1)
    with_one = data[:-2] + b"\xff\xd7" + data[-2:]
    assert (decode(with_one) == decode(data)).all()


def test_grey_pictures_are_whole():
    for options in ({}, {"restart_marker_rows": 1}, {"restart_marker_blocks": 3}):
        for progressive in (False, True):
            grey = Image.new("RGB", (150, 90), (128, 128, 128))
            assert not truncated(saved(grey, "JPEG", progressive=progressive, **options))


def test_the_end_of_the_first_picture_counts_where_another_follows():
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 90, (200, 200, 3), np.uint8))
    data = saved(noisy, "JPEG")
    cut = data[: len(data) // 2].rstrip(b"\xff") + b"\xff\xd9"
    assert truncated(cut)
    assert truncated(cut + data)
    assert not truncated(data + data)
