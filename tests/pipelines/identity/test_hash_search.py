"""Near hashes are all found, each pair once, as comparing all with all finds them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity.hash_search import near_pairs
from pipelines.identity.perceptual_hash import bits_apart


def some(rng, count, most):
    """Different hashes, a third of which differ from others in a few bits."""
    hashes = rng.integers(-(2**63), 2**63, count)
    changed = hashes[: count // 3].view(np.uint64).copy()
    for _ in range(int(rng.integers(0, most + 2))):
        changed ^= np.uint64(1) << rng.integers(0, 64, len(changed)).astype(np.uint64)
    return np.unique(np.concatenate([hashes, changed.view(np.int64)]))


def all_pairs(hashes, most):
    apart = bits_apart(hashes, hashes)
    a, b = np.nonzero(np.triu(apart <= most, 1))
    return a, b, apart[a, b]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), count=st.integers(0, 400), most=st.integers(0, 8))
def test_found_is_what_comparing_all_finds(seed, count, most):
    rng = np.random.default_rng(seed)
    hashes = rng.permutation(some(rng, count, most))
    found = near_pairs(hashes, most)
    for own, true in zip((found.a, found.b, found.bits), all_pairs(hashes, most), strict=True):
        np.testing.assert_array_equal(own, true)


def test_hashes_that_agree_in_most_bits_are_told_apart():
    """As of pictures of one kind: all bits but twelve are the same."""
    hashes = np.random.default_rng(0).permutation(1 << 12)[:900].astype(np.int64)
    found = near_pairs(hashes, 2)
    np.testing.assert_array_equal(found.a, all_pairs(hashes, 2)[0])


@pytest.mark.slow
def test_a_million_hashes_take_seconds_not_hours():
    rng = np.random.default_rng(1)
    hashes = np.unique(rng.integers(-(2**63), 2**63, 1_000_000))
    near = hashes[::1000] ^ np.int64(0b10110)
    found = near_pairs(np.unique(np.concatenate([hashes, near])), 6)
    assert len(found.a) >= len(near)
