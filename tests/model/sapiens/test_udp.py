"""Crops and heatmaps against the reference's outputs, and back and forth."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.sapiens.crops import (
    centre_and_scale,
    crop_matrix,
    moved,
    to_photo,
    warped,
    warped_map,
)
from model.sapiens.udp import blurred, decode, encode
from tests.model.sapiens.reference import SEEDS, close, golden


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["small", "full"])
def test_crops_are_those_of_the_reference(seed: int, kind: str) -> None:
    arrays = golden("crop", seed)
    width, height = arrays[f"{kind}_input_size_wh"].tolist()
    centre, scale = centre_and_scale(arrays["boxes_xyxy"], width / height)
    assert np.array_equal(centre, arrays[f"{kind}_center"])
    assert np.array_equal(scale, arrays[f"{kind}_scale"])
    for number, rotation in enumerate(arrays["rotation_deg"]):
        matrix = crop_matrix(centre[number], scale[number], rotation, (width, height))
        theirs = arrays[f"{kind}_matrix"][number]
        assert np.allclose(matrix, theirs, rtol=1e-5, atol=1e-5)
        points = moved(arrays["keypoints_image"][number], matrix)
        assert np.allclose(points, arrays[f"{kind}_keypoints"][number], rtol=1e-5, atol=1e-3)
        if kind == "small":
            shown = warped(arrays["image"], matrix, (width, height)).astype(float)
            away = np.abs(shown - arrays["small_warped"][number])
            # The reference's resampler counts positions in 1 / 32 of a pixel.
            assert away.mean() < 0.6 and (away > 2).mean() < 0.01


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["a", "b"])
def test_targets_are_those_of_the_reference(seed: int, kind: str) -> None:
    arrays = golden("codec", seed)
    maps, weights = encode(
        torch.from_numpy(arrays[f"{kind}_keypoints"]),
        torch.from_numpy(arrays[f"{kind}_visible"]),
        tuple(arrays[f"{kind}_input_size_wh"].tolist()),
        tuple(arrays[f"{kind}_heatmap_size_wh"].tolist()),
        float(arrays[f"{kind}_sigma"]),
    )
    close(weights, arrays[f"{kind}_weights"], 0)
    if kind == "a":
        close(maps, arrays["a_heatmaps"], 1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_maps_decode_as_in_the_reference(seed: int) -> None:
    arrays = golden("codec", seed)
    maps = torch.from_numpy(arrays["a_decode_heatmaps"])
    points, scores = decode(maps, tuple(arrays["a_input_size_wh"].tolist()))
    close(scores, arrays["a_decode_scores"], 1e-6)
    close(blurred(maps), arrays["a_decode_blurred"], 2e-5)
    names, peaks = arrays["a_decode_names"], arrays["a_decode_argmax"]
    height, width = maps.shape[1:]
    compared = 0
    for number, name in enumerate(names):
        x, y = peaks[number]
        if 0 < x < width - 1 and 0 < y < height - 1 and arrays["a_decode_stable"][number]:
            close(points[number], arrays["a_decode_keypoints"][number], 0.02)
            compared += 1
        elif str(name).startswith("border"):
            assert points[number].tolist() == pytest.approx(
                [x / (width - 1) * 96, y / (height - 1) * 128], abs=2.1
            )
    assert compared >= 10


def test_a_peak_at_the_border_stays_inside() -> None:
    maps, _ = encode(torch.tensor([[0.0, 40.0]]), torch.ones(1), (96, 128), (24, 32), 2.0)
    points, _ = decode(maps, (96, 128))
    assert points[0, 0] == 0
    assert points[0, 1] / 128 * 127 == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize("value", [0.0, -0.5])
def test_a_map_without_a_positive_value_has_no_point(value: float) -> None:
    maps = torch.full((2, 3, 16, 12), value)
    maps[:, 1, 5, 6] = 1
    points, scores = decode(maps, (48, 64))
    assert scores.tolist() == [[0, 1, 0]] * 2
    assert not points[:, 0].any() and points[:, 1].all()


@given(
    st.floats(5, 90),
    st.floats(5, 120),
    st.tuples(st.floats(0, 300), st.floats(0, 300)),
    st.tuples(st.floats(20, 500), st.floats(20, 500)),
    st.floats(-80, 80),
)
def test_there_and_back_is_exact(
    x: float, y: float, corner: tuple[float, float], sides: tuple[float, float], turn: float
) -> None:
    """A point of the photo, in the input, in the map, decoded without an error, in the photo."""
    size, map_size = (96, 128), (24, 32)
    box = np.array([[*corner, corner[0] + sides[0], corner[1] + sides[1]]])
    centre, scale = centre_and_scale(box, size[0] / size[1])
    matrix = crop_matrix(centre[0], scale[0], 0, size)
    point = np.array([[[corner[0] + x, corner[1] + y]]])
    inside = moved(point[0], matrix)
    in_map = inside * (np.array(map_size) - 1) / (np.array(size) - 1)
    decoded = in_map / (np.array(map_size) - 1) * size
    assert np.abs(to_photo(decoded[None], centre, scale, size) - point).max() < 1e-9
    turned = crop_matrix(centre[0], scale[0], turn, size)
    middle = (np.array(size) - 1) / 2
    assert np.abs(moved(centre, turned) - middle).max() < 1e-9


def test_the_round_trip_is_exact_to_the_twelfth_digit() -> None:
    rng = np.random.default_rng(0)
    box = np.array([[10.0, 20.0, 210.0, 400.0]])
    centre, scale = centre_and_scale(box, 0.75)
    points = rng.uniform(10, 200, (1, 50, 2))
    size, map_size = np.array([768, 1024]), np.array([192, 256])
    in_map = moved(points[0], crop_matrix(centre[0], scale[0], 0, (768, 1024)))
    in_map = in_map * (map_size - 1) / (size - 1)
    decoded = in_map / (map_size - 1) * size
    assert np.abs(to_photo(decoded[None], centre, scale, (768, 1024)) - points).max() < 1e-12


def test_decoding_finds_what_encoding_drew() -> None:
    rng = np.random.default_rng(1)
    points = torch.from_numpy(rng.uniform(20, 170, (40, 2)).astype(np.float32))
    maps, _ = encode(points, torch.ones(40), (192, 256), (48, 64), 3.0)
    found, scores = decode(maps, (192, 256))
    exact = found * torch.tensor([191 / 192, 255 / 256])
    assert (exact - points).abs().max() < 0.05 and (scores > 0.9).all()


def test_labels_keep_their_numbers() -> None:
    labels = np.zeros((40, 30), np.uint8)
    labels[10:20, 5:25] = 7
    matrix = crop_matrix(np.array([15, 15]), np.array([20, 20]), 30, (32, 32))
    shown = warped_map(labels, matrix, (32, 32), fill=255)
    assert set(np.unique(shown)) <= {0, 7, 255}


def test_a_crop_beside_the_photo_is_empty() -> None:
    image = np.full((20, 30, 3), 200, np.uint8)
    matrix = crop_matrix(np.array([500, 500]), np.array([20, 20]), 0, (16, 16))
    assert (warped(image, matrix, (16, 16), (9, 8, 7)) == (9, 8, 7)).all()
