"""Results in the order of their numbers, with little in memory."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fetching.reorder_buffer import ReorderBuffer
from webbody.errors import WebbodyError


@given(
    bodies=st.lists(st.none() | st.binary(max_size=20), max_size=30),
    in_memory=st.integers(0, 100),
    seed=st.integers(0, 1000),
)
def test_any_order_in_the_right_order_out(bodies, in_memory, seed):
    came = []
    queue = ReorderBuffer(lambda *item: came.append(item), io.BytesIO(), in_memory)
    order = list(enumerate(bodies))
    random.Random(seed).shuffle(order)
    for done, (number, body) in enumerate(order):
        assert sorted(queue.missing(len(bodies))) == sorted(n for n, _ in order[done:])
        queue.put(number, f"result {number}", body)
    assert came == [(n, f"result {n}", body) for n, body in enumerate(bodies)]


def test_a_long_wait_is_kept_in_the_file():
    spool = io.BytesIO()
    queue = ReorderBuffer(lambda *_: None, spool, in_memory=1000)
    for number in range(1, 101):
        queue.put(number, None, bytes(100))
    assert len(spool.getvalue()) == 90 * 100
    queue.put(0, None, bytes(5000))
    assert len(spool.getvalue()) == 90 * 100
    assert queue.missing(102) == [101]


def test_a_full_temporary_folder_is_told():
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    queue = ReorderBuffer(lambda *_: None, Full(), in_memory=0)
    with pytest.raises(WebbodyError, match="TMPDIR"):
        queue.put(1, None, b"x")
