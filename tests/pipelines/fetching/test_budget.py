"""Bodies share one budget of memory; what does not fit lies on disk and comes whole."""

import io
import threading
import zlib
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fetching.body import read_body
from pipelines.fetching.budget import Budget
from pipelines.fetching.errors import FetchError


class Response:
    """An answer as http.client has it."""

    def __init__(self, body: bytes, declared: bool, encoding: str = "") -> None:
        self._body = io.BytesIO(body)
        self.length = len(body) if declared else None
        self.headers = Message()
        if encoding:
            self.headers["Content-Encoding"] = encoding

    def read(self, count=None):
        return self._body.read(count)


@given(st.binary(max_size=3000), st.booleans(), st.integers(1, 4000))
def test_a_body_is_whole_wherever_it_waits(body, declared, most):
    budget = Budget(most)
    memory = budget.reserve()
    assert read_body(Response(body, declared), 3000, memory) == body
    memory.release()
    assert budget.try_take(most)


def test_bodies_wait_for_room():
    budget = Budget(1000)
    first, second = budget.reserve(), budget.reserve()
    assert read_body(Response(bytes(800), True), 5000, first) == bytes(800)
    got = []
    thread = threading.Thread(
        target=lambda: got.append(read_body(Response(bytes(700), True), 5000, second))
    )
    thread.start()
    thread.join(0.1)
    assert got == []
    first.release()
    thread.join(5)
    assert got == [bytes(700)]


def test_a_body_larger_than_the_budget_comes_alone():
    budget = Budget(100)
    memory = budget.reserve()
    assert read_body(Response(bytes(5000), False), 6000, memory) == bytes(5000)
    assert not budget.try_take(1)
    memory.release()
    assert budget.try_take(100)


def test_what_is_unpacked_counts():
    budget = Budget(10_000)
    memory = budget.reserve()
    packed = zlib.compress(bytes(8000))
    assert read_body(Response(packed, True, "deflate"), 9000, memory) == bytes(8000)
    assert not budget.try_take(2001)
    assert budget.try_take(2000)


@pytest.mark.parametrize("declared", [True, False])
def test_caps_hold_on_disk_too(declared):
    with pytest.raises(FetchError, match="too-large"):
        read_body(Response(bytes(3001), declared), 3000, Budget(10).reserve())
