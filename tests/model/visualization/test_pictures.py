"""The pictures: counts in titles, masked patches, heat, black columns, similarities."""

import math
import sys

import numpy as np
import pytest
import torch

from model import SapiensID
from model.sapiensid.heads.parts import LAMBDA
from model.sapiensid.masking import KeptTokens
from model.sapiensid.sapiensid import PRESETS
from model.visualization import regions
from model.visualization import token_sampling as kept
from model.visualization.attention import attention_maps, heat_over
from model.visualization.colours import GREY, heat
from model.visualization.figures import draw_attention, draw_patches, draw_similarity, encode
from model.visualization.patches import Patches, area, patches_of
from model.visualization.photo import enlarged
from model.visualization.positions import position_colours
from model.visualization.similarity import feature_similarity, part_similarity
from tests.model.visualization.conftest import random_keypoints
from webbody.errors import WebbodyError

LAW = KeptTokens()


@pytest.mark.parametrize("seed", [0, 1, 5, 7])
def test_the_titles_count_the_tokens(image, model, seed, monkeypatch):
    titles: list[str] = []
    real = regions.panel

    def spy(picture, heading, note="", **options):
        titles.extend([heading, note])
        return real(picture, heading, note, **options)

    monkeypatch.setattr(regions, "panel", spy)
    keypoints = random_keypoints(seed)
    patches = patches_of(model, keypoints)
    regions.regions_picture(image, keypoints, patches)
    assert f"Retina Patch: {patches.kept_T.sum()} tokens" in titles
    assert "Plain ViT grid: 144 tokens" in titles
    for name, count in zip(("Whole image", "Upper torso", "Face"), patches.counts_R, strict=True):
        assert f"{name}: {count} of 144" in titles


def test_weights_are_not_needed(image, whole_body, model):
    with torch.device("meta"):
        bare = SapiensID(**PRESETS["tiny"])
    pictures = draw_patches(bare, image, whole_body, (112, 166, 281))
    assert list(pictures) == ["regions", "positions", "kept"]
    for name, picture in draw_patches(model, image, whole_body, (112, 166, 281)).items():
        assert picture.tobytes() == pictures[name].tobytes()
        assert min(picture.size) > 700
    other = draw_patches(bare, image, whole_body, (112, 166, 281), seed=1)
    assert other["kept"].tobytes() != pictures["kept"].tobytes()


def test_a_model_may_have_other_regions(image, whole_body):
    with torch.device("meta"):
        plain = SapiensID(**PRESETS["tiny"], regions=())
    assert patches_of(plain, whole_body).counts_R.tolist() == [144]
    assert len(draw_patches(plain, image, whole_body, (50,))) == 3


def test_positions_of_like_places_have_like_colours(model, whole_body):
    patches = patches_of(model, whole_body)
    colours = position_colours(model, patches).astype(int)
    # The table's own cells do not depend on the image.
    bare = position_colours(model, patches_of(model, np.zeros((19, 3), np.float32)))
    np.testing.assert_array_equal(colours[:144], bare[:144])
    centres = patches.rectangles(np.arange(432)).reshape(-1, 2, 2).mean(1)
    for region in (1, 2):
        mine = np.arange(144 * region, 144 * (region + 1))
        # Away from the border, where regions reach beyond the table.
        mine = mine[((centres[mine] > 0.1) & (centres[mine] < 0.9)).all(1)]
        nearest = np.linalg.norm(centres[mine, None] - centres[None, :144], axis=-1).argmin(1)
        neighbours = np.abs(colours[mine] - colours[nearest]).mean()
        strangers = np.abs(colours[mine] - colours[(nearest + 72) % 144]).mean()
        assert neighbours < 25 < 2 * 25 < strangers


def test_the_law_is_drawn_as_it_is():
    edges = np.linspace(112, 345, 24).tolist()
    shares = np.array(kept.shares(LAW, [LAW.min, *edges, LAW.max + 1]))
    assert shares.sum() == pytest.approx(1)
    draws = LAW.min + (LAW.max - LAW.min) * np.exp(-LAW.decay * np.linspace(0, 1, 400_001))
    counted, _ = np.histogram(draws, [LAW.min, *edges, LAW.max + 1])
    np.testing.assert_allclose(shares, counted / 400_001, atol=1e-4)
    constant = KeptTokens(min=146, max=146)
    assert kept.shares(constant, [100, 140, 150, 200]) == [0, 1, 0]
    for width in (900, 1213):
        assert kept.histogram(constant, [146], width).size == (width, 320)


def test_bars_of_the_law_are_as_high_as_its_shares():
    pixels = np.asarray(kept.histogram(LAW, [400], 1300))
    heights = (pixels == kept._BARS).all(-1).sum(0)
    heights = heights[heights > 0]
    highest, rest = heights[:20].max(), heights[20:]
    fewest = LAW.min + (LAW.max - LAW.min) * math.exp(-LAW.decay)
    shares = kept.shares(LAW, np.linspace(fewest, LAW.max, 41).tolist())
    # The last bar's share of the highest, to a pixel or two.
    assert rest[-5] / highest == pytest.approx(shares[-1] / shares[0], abs=2 / highest)
    assert rest.max() <= highest and rest[-200:].max() < highest / 10


def test_without_matplotlib_a_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(WebbodyError, match=r"matplotlib: pip install 'webbody\[train\]'"):
        kept.histogram(LAW, [112], 900)


@pytest.mark.parametrize("count", [1, 112, 166, 281, 5000])
def test_only_the_kept_patches_are_visible(image, model, whole_body, count):
    patches = patches_of(model, whole_body)
    ids = kept.drawn(patches, count, seed=3)
    assert len(ids) == min(count, patches.kept_T.sum())
    assert len(set(ids.tolist())) == len(ids) and patches.kept_T[ids].all()
    pixels = np.asarray(kept.kept_only(image, patches, ids, 420))
    shown = area(pixels, patches.rectangles(ids))
    assert (pixels[~shown] == GREY).all()
    np.testing.assert_array_equal(pixels[shown], np.asarray(enlarged(image, 420))[shown])
    share = patches.rectangles(ids)
    expected = (share[:, 2:] - share[:, :2]).prod(1).sum()
    assert shown.mean() == pytest.approx(expected, abs=0.03)


def test_heat_lies_on_its_patch(image, model, whole_body):
    patches = patches_of(model, whole_body)
    photo = enlarged(np.full_like(image, 128), 300)
    for chosen in (0, len(patches.ids_N) // 2, len(patches.ids_N) - 1):
        values = np.zeros(len(patches.ids_N))
        values[chosen] = 3.5
        pixels = np.asarray(heat_over(photo, patches, patches.ids_N, values)).astype(int)
        hot = area(pixels, patches.rectangles(patches.ids_N[[chosen]]))
        assert hot.any()
        for where, value in ((hot, 1), (~hot, 0)):
            expected = 0.4 * 128 + 0.6 * heat(value)
            assert np.abs(pixels[where] - expected).max() <= 1


@pytest.mark.parametrize("missing", [(), (0, 11, 12), tuple(range(7, 19)), tuple(range(19))])
def test_missing_keypoints_are_black(image, model, whole_body, missing):
    points = whole_body.copy()
    points[list(missing)] = 0
    picture = np.asarray(draw_attention(model, image, points)["attention"])
    black = (picture == 0).all(-1)
    assert black.sum() == len(missing) * 4 * 168 * 168
    columns = black.any(0).reshape(-1)
    assert columns.sum() == len(missing) * 168


def test_attention_maps_are_the_heads(image, model, whole_body):
    encoded = encode(model, [image], [whole_body])
    maps = torch.from_numpy(attention_maps(model, encoded))
    assert maps.shape == (76, encoded.ids_BN.shape[1])
    pooled = maps @ model.head.attention.v(encoded.tokens_BND[0])
    pooled = torch.nn.functional.rms_norm(pooled, pooled.shape[-1:], eps=1e-5)
    with torch.no_grad():
        theirs = model.head.parts(encoded)
        ours = model.head.attention.out(pooled * (1 - LAMBDA))
    torch.testing.assert_close(ours, theirs[0, :76], rtol=1e-4, atol=1e-5)


def test_an_image_is_like_itself(image, model, whole_body):
    points = whole_body.copy()
    points[[3, 18]] = 0
    encoded = encode(model, [image, image], [points, points])
    alike = part_similarity(model, encoded)
    assert np.isnan(alike[[3, 18]]).all()
    np.testing.assert_allclose(np.delete(alike, [3, 18]), 1, atol=1e-5)
    assert feature_similarity(model, encoded) == pytest.approx(1, abs=1e-5)


def test_similarity_is_symmetric_and_that_of_the_features(image, model, whole_body):
    points, other = whole_body.copy(), whole_body.copy()
    points[0], other[18] = 0, 0
    images = (image, np.ascontiguousarray(255 - image[::-1]))
    there = encode(model, images, (points, other))
    back = encode(model, images[::-1], (other, points))
    alike = part_similarity(model, there)
    np.testing.assert_allclose(alike, part_similarity(model, back), atol=1e-5)
    assert np.flatnonzero(np.isnan(alike)).tolist() == [0, 18]
    assert (np.abs(alike[1:18]) <= 1).all() and alike[1:18].min() < 0.999
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        features = model(pixels, torch.from_numpy(np.stack([points, other])))
    cosine = torch.nn.functional.cosine_similarity(*features, dim=0)
    assert feature_similarity(model, there) == pytest.approx(float(cosine), abs=1e-5)
    picture = draw_similarity(model, (images[0], points), (images[1], other))["similarity"]
    assert picture.width > 1500 and picture.height > 600


def test_a_pooled_head_has_neither_maps_nor_parts(image, whole_body):
    pooled = SapiensID(**PRESETS["tiny"], head="pooled").eval()
    with pytest.raises(ValueError, match="no attention maps"):
        draw_attention(pooled, image, whole_body)
    with pytest.raises(ValueError, match="no part features"):
        draw_similarity(pooled, (image, whole_body), (image, whole_body))


def test_patches_know_their_regions():
    boxes = np.array([(0, 0, 1, 1), (0.5, 0, 1, 0.5)], np.float32)
    patches = Patches(boxes, np.ones(8, bool), 2)
    assert patches.region([0, 3, 4, 7]).tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(patches.rectangles([1, 7]), [(0.5, 0, 1, 0.5), (0.75, 0.25, 1, 0.5)])
