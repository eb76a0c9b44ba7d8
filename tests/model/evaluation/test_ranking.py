"""The ranking against a plain loop over queries, and what is defined at its edges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.ranking import Images, evaluate
from model.evaluation.similarity import exact_products
from webbody.errors import WebbodyError

RULES = ("general", "same_clothes", "cloth_changing", "ignore_cameras")


def by_sorting(q, g, rule):
    """CMC, mAP, mINP and queries, one query at a time; ties count against the query."""
    places, precisions, inps = [], [], []
    ignore = rule == "ignore_cameras" or (rule == "general" and (g.camera == -1).all())
    for i in range(len(q.person)):
        same = g.person == q.person[i]
        good = same & (ignore | (g.camera != q.camera[i]))
        if rule == "same_clothes":
            good &= g.clothes == q.clothes[i]
        if rule == "cloth_changing":
            good &= g.clothes != q.clothes[i]
        if not good.any():
            continue
        cosine = g.features.astype(np.float64) @ q.features[i].astype(np.float64)
        cosine = cosine / np.linalg.norm(g.features.astype(np.float64), axis=1)
        stays = good | ~same
        order = np.lexsort([good[stays], -cosine[stays].round(6)])
        found = np.flatnonzero(good[stays][order]) + 1
        places.append(found[0])
        precisions.append(np.mean(np.arange(1, len(found) + 1) / found))
        inps.append(len(found) / found[-1])
    # A division by zero of numpy gives the NaN that is expected where no query has a match.
    with np.errstate(invalid="ignore"):
        share = np.arange(1, len(g.person) + 1)[:, None] >= np.array(places)
        figures = [np.divide(sum(x), np.float64(len(places))) for x in (precisions, inps)]
        return np.divide(share.sum(1), np.float64(len(places))), *figures, len(places)


def made(generator, count, *, people=5, values=3, dtype=np.float32):
    """Images whose features are so few that many are equal."""
    features = generator.integers(1, 1 + values, (count, 4)).astype(dtype)
    person, camera, clothes = generator.integers(0, [[people], [3], [2]], (3, count))
    return Images(features, person, camera, clothes)


@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from(RULES), st.integers(1, 60_000))
@settings(max_examples=60)
def test_equals_a_loop_over_queries(seed, people, rule, memory):
    generator = np.random.default_rng(seed)
    q, g = made(generator, 12), made(generator, 60, people=people)
    cmc, mean_precision, inp, queries = by_sorting(q, g, rule)
    ranking = evaluate(q, g, rule, memory=memory)
    np.testing.assert_allclose(ranking.cmc, cmc)
    np.testing.assert_allclose([ranking.mAP, ranking.mINP], [mean_precision, inp])
    assert (ranking.queries, ranking.skipped) == (queries, 12 - queries)
    assert np.isnan(ranking.average_precision).sum() == 12 - queries


@pytest.mark.parametrize("gallery", [40, 400], ids=["few matches", "many matches"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_kinds_of_numbers(gallery, dtype):
    generator = np.random.default_rng(1)
    q, g = made(generator, 20, dtype=dtype), made(generator, gallery, dtype=dtype)
    expected = by_sorting(q, g, "general")
    ranking = evaluate(q, g, "general")
    np.testing.assert_allclose(ranking.cmc, expected[0])
    np.testing.assert_allclose([ranking.mAP, ranking.mINP], expected[1:3])
    tensors = [Images(*map(torch.from_numpy, vars(images).values())) for images in (q, g)]
    assert evaluate(*tensors, "general").mAP == ranking.mAP


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_the_images_does_not_matter(rule):
    generator = np.random.default_rng(2)
    q, g = made(generator, 30), made(generator, 300)
    turned = []
    for images in (q, g):
        order = generator.permutation(len(images.person))
        turned.append(Images(*(values[order] for values in vars(images).values())))
    before, after = evaluate(q, g, rule), evaluate(*turned, rule)
    np.testing.assert_allclose(after.cmc, before.cmc)
    np.testing.assert_allclose([after.mAP, after.mINP], [before.mAP, before.mINP])


def test_equal_features_give_the_worst_figures():
    features = np.random.default_rng(3).normal(size=(1, 512)).astype(np.float32)
    g = Images(features.repeat(1003, 0), np.arange(1003) % 17)
    ranking = evaluate(Images(features, np.array([5])), g, "ignore_cameras")
    others = 1003 - 59
    assert (ranking.cmc[:others] == 0).all() and ranking.rank(others + 1) == 1
    np.testing.assert_allclose(ranking.mINP, 59 / 1003)
    np.testing.assert_allclose(ranking.mAP, np.mean(np.arange(1, 60) / (others + np.arange(1, 60))))


def test_features_of_zeros_are_like_nobody():
    q = Images(np.zeros((1, 3), np.float32), np.array([1]))
    g = Images(np.eye(3, dtype=np.float32), np.array([1, 2, 3]))
    assert evaluate(q, g, "ignore_cameras").mAP == pytest.approx(1 / 3)


def test_junk_leaves_the_ranking_and_others_stay():
    features = np.array([[1, 0], [1, 0.1], [1, 0.2], [1, 0.3]], np.float32)
    q = Images(features[:1], np.array([1]), np.array([0]), np.array([0]))
    # The query's camera and person; the query's camera, another person; then the match.
    g = Images(features[1:], np.array([1, 2, 1]), np.array([0, 0, 1]), np.array([0, 0, 0]))
    assert evaluate(q, g, "general").cmc.tolist() == [0, 1, 1]
    assert evaluate(q, g, "ignore_cameras").cmc.tolist() == [1, 1, 1]
    assert evaluate(q, g, "cloth_changing").skipped == 1


def test_a_gallery_without_cameras():
    generator = np.random.default_rng(4)
    q, g = made(generator, 20), made(generator, 60)
    unknown = Images(g.features, g.person, np.full(60, -1), g.clothes)
    q = Images(q.features, q.person, np.full(20, -1), q.clothes)
    assert evaluate(q, unknown, "general").mAP == evaluate(q, g, "ignore_cameras").mAP
    assert evaluate(q, unknown, "same_clothes").queries == 0


@pytest.mark.parametrize("queries", [0, 3])
@pytest.mark.parametrize("gallery", [0, 4])
def test_no_query_has_a_match(queries, gallery):
    q = Images(np.ones((queries, 2), np.float32), np.zeros(queries), np.zeros(queries, int))
    q = Images(q.features, np.zeros(queries, int), q.camera)
    g = Images(np.ones((gallery, 2), np.float32), np.ones(gallery, int), np.zeros(gallery, int))
    ranking = evaluate(q, g, "general")
    assert (ranking.queries, ranking.skipped, len(ranking.cmc)) == (0, queries, gallery)
    assert np.isnan([ranking.mAP, ranking.mINP, ranking.rank(1), *ranking.cmc]).all()


def test_the_setting_of_a_trainer_changes_nothing():
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(40, 64, generator=generator)
    person = torch.arange(40) % 8
    plain = evaluate(Images(features, person), Images(features, person), "ignore_cameras")
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            mixed = evaluate(Images(features, person), Images(features, person), "ignore_cameras")
            with exact_products():
                product = features @ features.T
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert mixed.mAP == plain.mAP and product.dtype == torch.float32


GOOD = Images(np.ones((3, 2), np.float32), np.arange(3), np.arange(3), np.arange(3))


@pytest.mark.parametrize(
    ("q", "rule", "told"),
    [
        ({"features": np.full((3, 2), np.nan)}, "general", "3 of 3 query features are NaN"),
        ({"features": np.array([[0, 0], [0, np.inf], [1, 1]])}, "general", "the first is number 1"),
        ({"features": np.ones((3, 3))}, "general", "have 3 numbers and gallery features 2"),
        ({"features": np.ones(3)}, "general", r"of shape \(images, width\)"),
        ({"features": np.ones((3, 2), int)}, "general", "must be floating numbers"),
        ({"person": np.arange(2)}, "general", "3 features, but query person has shape"),
        ({"camera": np.ones(3)}, "general", "query camera must be whole numbers"),
        ({"camera": None}, "general", "asks for cameras, and the query images have none"),
        ({"clothes": None}, "same_clothes", "asks for clothes, and the query"),
        ({}, "strict", "no rule 'strict'; there are general"),
    ],
)
def test_what_cannot_be_ranked_is_told(q, rule, told):
    with pytest.raises(WebbodyError, match=told):
        evaluate(Images(**{**vars(GOOD), **q}), GOOD, rule)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("people", [20, 2000])
def test_the_gpu_gives_the_same(dtype, people):
    generator = torch.Generator().manual_seed(6)
    features = torch.randn(6000, 256, generator=generator).to(dtype)
    person = torch.randint(people, (6000,), generator=generator)
    camera = torch.randint(6, (6000,), generator=generator)
    images = [Images(features[s], person[s], camera[s]) for s in (slice(2000), slice(2000, None))]
    there = [Images(*(x.cuda() for x in (i.features, i.person, i.camera))) for i in images]
    here, gpu = evaluate(*images, "general"), evaluate(*there, "general", memory=1 << 24)
    np.testing.assert_allclose(gpu.cmc, here.cmc, atol=2e-3)
    np.testing.assert_allclose([gpu.mAP, gpu.mINP], [here.mAP, here.mINP], atol=1e-4)
