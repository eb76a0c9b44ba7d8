"""The perceptual hash: near for copies of a picture, far for other pictures."""

import cv2
import numpy as np
import pytest

from pipelines.identity.perceptual_hash import bits_apart, perceptual_hash
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import photo
from webbody.images import RGB, decode, encode_jpeg


def drawn(number: int, size: tuple[int, int] = (448, 448)) -> RGB:
    rng = np.random.default_rng(number)
    taken = photo(rng, [Identity.sample(number)], size, heads=(0.12, 0.5))
    return np.ascontiguousarray(taken.image[..., ::-1])


def apart(a: RGB, b: RGB) -> int:
    hashes = [np.array([perceptual_hash(picture)], np.int64) for picture in (a, b)]
    return int(bits_apart(*hashes)[0, 0])


@pytest.mark.parametrize("number", range(6))
def test_copies_are_near(number):
    picture = drawn(number)
    assert apart(picture, picture) == 0
    assert apart(picture, decode(encode_jpeg(picture, 40, "4:2:0"))) <= 4
    for side in (150, 900):
        scaled = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        assert apart(picture, np.asarray(scaled, np.uint8)) <= 4


def test_large_pictures_are_reduced_first_without_harm():
    picture = drawn(3, (1400, 1400))
    small = cv2.resize(picture, (500, 500), interpolation=cv2.INTER_AREA)
    assert apart(picture, np.asarray(small, np.uint8)) <= 2


def test_other_pictures_are_far():
    hashes = np.array([perceptual_hash(drawn(number)) for number in range(12)], np.int64)
    distances = bits_apart(hashes, hashes)[np.triu_indices(12, 1)]
    assert distances.min() > 8


def test_bits_are_counted_as_by_hand():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-(2**63), 2**63, (2, 9))
    wanted = [[bin((int(x) ^ int(y)) & (2**64 - 1)).count("1") for y in b] for x in a]
    assert bits_apart(a, b).tolist() == wanted


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (40, 3, 3)])
def test_any_shape_has_a_hash(shape):
    assert -(2**63) <= perceptual_hash(np.full(shape, 7, np.uint8)) < 2**63
