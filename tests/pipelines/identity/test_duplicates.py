"""Duplicates of a person: the first stays."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity import duplicates


def at(*degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return 20 * np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)


def images(count: int) -> np.ndarray:
    return np.array([f"sha{i}" for i in range(count)])


def find(features, digests, threshold, hashes=None, near=-1, block=1000):
    hashes = np.arange(len(features)) if hashes is None else np.array(hashes, np.int64)
    return duplicates.find(features, digests, hashes, threshold=threshold, near=near, block=block)


def test_the_later_of_two_goes():
    found = find(at(0, 90, 10, 95), images(4), 0.9)
    assert found.of.tolist() == [-1, -1, 0, 1]
    np.testing.assert_allclose(found.cosine[2:], np.cos(np.deg2rad([10, 5])), atol=1e-6)
    assert np.isnan(found.cosine[:2]).all()


def test_a_repeat_of_a_repeat_stays():
    """20 is alike to 10 only, which is gone: of what stays nothing looks like it."""
    assert find(at(0, 10, 20, 30, 40, 50), images(6), np.cos(np.deg2rad(15))).of.tolist() == [
        -1, 0, -1, 2, -1, 4,
    ]  # fmt: skip


def test_equal_bytes_are_found_at_any_threshold():
    found = find(at(0, 90, 90), np.array(["a", "b", "a"]), 1.0)
    assert found.of.tolist() == [-1, -1, 0]


def test_a_repeat_points_at_what_stays():
    found = find(at(0, 5, 90), np.array(["a", "b", "b"]), 0.9)
    assert found.of.tolist() == [-1, 0, 0]


def test_pictures_whose_hashes_are_near_are_copies():
    """The hashes differ in 0, 3 and 4 bits from the first, in 1 from each other."""
    hashes = [0, 0b111, 0b1111, -1]
    assert find(at(0, 60, 120, 180), images(4), 0.9, hashes, near=3).of.tolist() == [-1, 0, -1, -1]
    assert find(at(0, 60, 120, 180), images(4), 0.9, hashes, near=4).of.tolist() == [-1, 0, 0, -1]
    assert (find(at(0, 60, 120, 180), images(4), 0.9, [5] * 4).of == -1).all()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 9999),
    count=st.integers(0, 40),
    block=st.integers(1, 45),
    threshold=st.floats(0.3, 0.99),
)
def test_blocks_and_what_is_promised(seed, count, block, threshold):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 3)).astype(np.float32)
    digests = rng.choice(images(30), count)
    hashes = rng.integers(-(2**63), 2**63, 12)[rng.integers(12, size=count)]
    found = find(features, digests, threshold, hashes, 6, block)
    same = find(features, digests, threshold, hashes, 6)
    np.testing.assert_array_equal(found.of, same.of)
    kept = np.flatnonzero(found.of < 0)
    assert np.isin(found.of[found.of >= 0], kept).all()
    assert len(set(digests[kept])) == len(set(hashes[kept])) == len(kept)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit[kept] @ unit[kept].T - 2 * np.eye(len(kept))
    assert (cosine <= threshold + 1e-5).all()


def test_hashes_and_faces_that_both_nearly_agree_are_copies():
    """Five bits apart, of 14: nine stand for 0.18 of the cosine; a bit more costs 0.02."""
    hashes = [0, 0b11111]
    close, far = np.rad2deg(np.arccos([0.73, 0.71]))

    def gone(degrees, cropped):
        return duplicates.find(
            at(0, degrees), images(2), np.array(hashes), threshold=0.9, near=2, cropped=cropped
        ).of.tolist()

    assert gone(close, 14) == [-1, 0]
    assert gone(far, 14) == [-1, -1]
    assert gone(close, 13) == [-1, -1]
    assert gone(close, -1) == [-1, -1]
    assert gone(20, 5) == [-1, 0]
