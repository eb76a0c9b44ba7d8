"""Score fusion against a loop over all pairs that sorts, and what fusion must not change."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.fusion import evaluate_fused
from model.evaluation.ranking import Images, evaluate
from webbody.errors import WebbodyError

HOWS = ("max", "min-max", "mean")


def cosines_of(q, g):
    """Cosines (Q, G), float64, and of which pairs both images have a feature."""
    with np.errstate(invalid="ignore"):
        unit_q, unit_g = (
            x.features.astype(np.float64) / np.linalg.norm(x.features, axis=1, keepdims=True)
            for x in (q, g)
        )
    cosine = unit_q @ unit_g.T
    return cosine, np.isfinite(cosine)


def fused_by_hand(queries, galleries, how):
    """One score for each pair of images, from the matchers that have both."""
    tables = []
    for cosine, both in map(cosines_of, queries, galleries):
        if how == "min-max" and both.any():
            low, high = cosine[both].min(), cosine[both].max()
            cosine = (cosine - low) / (high - low) if high - low > 1e-6 else 0 * cosine
        tables.append((cosine, both))
    fused = np.full(tables[0][0].shape, 0.0 if how == "min-max" else -1.0)
    for pair in np.ndindex(fused.shape):
        values = [cosine[pair] for cosine, both in tables if both[pair]]
        if values:
            fused[pair] = max(values) if how == "max" else sum(values) / len(values)
    return fused


def by_sorting(score, q, g):
    """Average precision of each query, and rank-1; the camera differs; ties count against it."""
    precisions, firsts = [], []
    for row in range(len(q.person)):
        same = g.person == q.person[row]
        good = same & (g.camera != q.camera[row])
        stays = good | ~same
        order = np.lexsort([good[stays], -score[row, stays].round(6)])
        places = np.flatnonzero(good[stays][order]) + 1
        if not len(places):
            precisions.append(np.nan)
            continue
        precisions.append(np.mean(np.arange(1, len(places) + 1) / places))
        firsts.append(places[0] == 1)
    return np.array(precisions), np.mean(firsts) if firsts else np.nan


def on_a_grid(generator, labels, *, missing, signs):
    """Features whose cosines are 0, 0.5 or 1, or negative; so fused scores are few, and far apart.

    A share of them is missing.
    """
    features = np.zeros((len(labels.person), 4), np.float32)
    for row in features:
        row[generator.choice(4, 2, replace=False)] = generator.choice(signs, 2)
    features[generator.random(len(features)) < missing] = 0
    return replace(labels, features=features)


def labelled(generator, count, people):
    person, camera = generator.integers(0, [[people], [3]], (2, count))
    return Images(np.zeros((count, 1), np.float32), person, camera)


def around(generator, labels, noise, width=32):
    """Features near those of a person."""
    centres = np.random.default_rng(0).normal(size=(100, width))
    spread = noise * generator.normal(size=(len(labels.person), width))
    return replace(labels, features=(centres[labels.person] + spread).astype(np.float32))


@pytest.fixture(scope="module")
def two():
    """Queries and galleries of two matchers whose scores are all different."""
    generator = np.random.default_rng(7)
    sides = [labelled(generator, 60, 12), labelled(generator, 300, 12)]
    return [[around(generator, side, noise) for noise in (1.0, 2.0)] for side in sides]


def without(images, rows):
    features = images.features.copy()
    features[rows] = 0
    return replace(images, features=features)


@given(
    seed=st.integers(0, 10**6),
    matchers=st.integers(2, 3),
    missing=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    how=st.sampled_from(HOWS),
    memory=st.integers(1, 30_000),
)
@settings(max_examples=50)
def test_equals_a_loop_over_pairs(seed, matchers, missing, how, memory):
    generator = np.random.default_rng(seed)
    q, g = labelled(generator, 12, 5), labelled(generator, 40, 5)
    kinds = ([-1.0, 1.0], [1.0], [-1.0, 1.0])[:matchers]
    queries, galleries = (
        [on_a_grid(generator, side, missing=missing, signs=signs) for signs in kinds]
        for side in (q, g)
    )
    precision, first = by_sorting(fused_by_hand(queries, galleries, how), q, g)
    found = evaluate_fused(queries, galleries, "general", how, memory=memory)
    np.testing.assert_allclose(found.average_precision, precision)
    np.testing.assert_allclose(found.rank(1), first)


@pytest.mark.parametrize("how", HOWS)
def test_scores_that_are_all_different(two, how):
    queries, galleries = two
    queries = [queries[0], without(queries[1], slice(None, None, 5))]
    galleries = [without(galleries[0], slice(2, None, 7)), galleries[1]]
    score = fused_by_hand(queries, galleries, how)
    precision, first = by_sorting(score, queries[0], galleries[0])
    for memory in (1 << 30, 10_000):
        found = evaluate_fused(queries, galleries, "general", how, memory=memory)
        np.testing.assert_allclose(found.average_precision, precision)
        np.testing.assert_allclose(found.rank(1), first)


@pytest.mark.parametrize("how", HOWS)
def test_a_matcher_with_itself_is_the_matcher(two, how):
    (q, _), (g, _) = two
    alone = evaluate(q, g, "general")
    fused = evaluate_fused([q, q], [g, g], "general", how)
    assert 0.3 < alone.mAP < 0.95
    np.testing.assert_array_equal(fused.average_precision, alone.average_precision)
    np.testing.assert_array_equal(fused.cmc, alone.cmc)


@pytest.mark.parametrize("how", HOWS)
def test_a_matcher_without_features_does_not_count(two, how):
    (q, _), (g, _) = two
    alone = evaluate(q, g, "general").average_precision
    for nothing in ([q, without(g, slice(None))], [without(q, slice(None)), g]):
        fused = evaluate_fused([q, nothing[0]], [g, nothing[1]], "general", how)
        np.testing.assert_array_equal(fused.average_precision, alone)


def test_the_greatest_of_a_matcher_and_the_lowest_cosines_is_the_matcher(two):
    (q, _), (g, _) = two
    ones = [replace(side, features=np.ones((len(side.person), 1), np.float32)) for side in (q, g)]
    low = replace(ones[1], features=-ones[1].features)
    fused = evaluate_fused([q, ones[0]], [g, low], "general", "max")
    np.testing.assert_array_equal(
        fused.average_precision, evaluate(q, g, "general").average_precision
    )


def squeezed(images, share, sign=1.0):
    """The features with cosines of `sign`, or nearer to 0 by up to twice the share."""
    length = np.linalg.norm(images.features, axis=1, keepdims=True)
    unit = images.features / np.where(length, length, 1)
    parts = [sign * np.sqrt(1 - share) * (length > 0), np.sqrt(share) * unit]
    return replace(images, features=np.concatenate(parts, 1).astype(np.float32))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_range_of_a_matcher_matters_to_the_mean_alone(two, sign):
    queries, galleries = two
    galleries = [galleries[0], without(galleries[1], slice(None, None, 9))]
    narrow = (
        [queries[0], squeezed(queries[1], 0.05)],
        [galleries[0], squeezed(galleries[1], 0.05, sign)],
    )
    change = {
        how: evaluate_fused(*narrow, "general", how).mAP
        - evaluate_fused(queries, galleries, "general", how).mAP
        for how in ("min-max", "mean")
    }
    assert abs(change["min-max"]) < 1e-4 < 1e-2 < abs(change["mean"])


def test_rounding_that_a_narrow_range_stretches_breaks_no_tie():
    person = np.arange(50)
    side = around(np.random.default_rng(8), Images(person, person), 0.0)
    features = squeezed(side, 1e-3).features
    # Somebody else's feature is the match's, but for its length. All cosines are about 0.1.
    both = np.concatenate([3 * features, 0.7 * features])
    q = replace(side, features=np.pad(features, [(0, 0), (0, 1)], constant_values=10))
    g = Images(np.pad(both, [(0, 0), (0, 1)]), np.concatenate([person, 100 + person]))
    for found in (
        evaluate(q, g, "ignore_cameras"),
        evaluate_fused([q, q], [g, g], "ignore_cameras", "min-max"),
    ):
        assert (found.rank(1), found.rank(2)) == (0, 1)


def test_pairs_without_a_face_are_compared_by_the_body():
    person = np.arange(4)
    q = Images(np.array([[1, 0]], np.float32), person[:1])
    # By body the match is as similar as 0.7.
    cosine = np.array([0.7, 0.8, 0.5, 0.0])
    body = Images(np.stack([cosine, np.sqrt(1 - cosine**2)], 1).astype(np.float32), person)
    # By face the most similar of the others is not; the match has none, or one of cosine 0.5.
    faces = [np.array([[0, 0], [0, 1], [0, 0], [0, 0]], np.float32) for _ in range(2)]
    faces[1][0] = [0.5, np.sqrt(0.75)]
    places = {"mean": (1, 1), "max": (2, 2), "min-max": (1, 1)}
    for how, wanted in places.items():
        found = [
            evaluate_fused([q, q], [body, Images(face, person)], "ignore_cameras", how).mAP
            for face in faces
        ]
        np.testing.assert_allclose(found, [1 / place for place in wanted], err_msg=how)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("queries", "gallery"), [(0, 3), (3, 0)])
def test_an_empty_side_gives_no_figures(how, queries, gallery):
    q, g = (Images(np.ones((n, 2), np.float32), np.zeros(n, int)) for n in (queries, gallery))
    found = evaluate_fused([q, q], [g, g], "ignore_cameras", how)
    assert (found.queries, found.skipped) == (0, queries) and np.isnan(found.mAP)


GOOD = Images(np.ones((3, 2), np.float32), np.arange(3))
FEWER = Images(np.ones((2, 2), np.float32), np.arange(2))


@pytest.mark.parametrize(
    ("queries", "galleries", "how", "told"),
    [
        ([GOOD], [GOOD], "mean", "fusion takes two matchers or more, not 1"),
        ([], [], "mean", "two matchers or more, not 0"),
        ([GOOD, GOOD], [GOOD], "mean", "queries of 2 matchers and galleries of 1"),
        ([GOOD, FEWER], [GOOD, GOOD], "max", "matcher 1 has 3 query images and matcher 2 has 2"),
        ([GOOD, GOOD], [GOOD, FEWER], "max", "3 gallery images and matcher 2 has 2"),
        ([GOOD, replace(GOOD, person=np.arange(3)[::-1].copy())], [GOOD, GOOD], "mean",
         "the query images of matcher 2 show other people"),
        ([GOOD, replace(GOOD, features=np.full((3, 2), np.nan))], [GOOD, GOOD], "mean",
         "matcher 2: 3 of 3 query features are NaN"),
        ([GOOD, GOOD], [GOOD, GOOD], "sum", "no way 'sum' to fuse scores; there are max, min-max"),
    ],
)  # fmt: skip
def test_what_cannot_be_fused_is_told(queries, galleries, how, told):
    with pytest.raises(WebbodyError, match=told):
        evaluate_fused(queries, galleries, "ignore_cameras", how)


@pytest.mark.gpu
@pytest.mark.parametrize("how", HOWS)
def test_the_gpu_gives_the_same(two, how):
    queries, galleries = two
    there = [
        [replace(image, features=torch.from_numpy(image.features).cuda()) for image in side]
        for side in two
    ]
    here = evaluate_fused(queries, galleries, "general", how)
    gpu = evaluate_fused(*there, "general", how)
    np.testing.assert_allclose(gpu.cmc, here.cmc, atol=2e-2)
    np.testing.assert_allclose([gpu.mAP, gpu.mINP], [here.mAP, here.mINP], atol=1e-3)
