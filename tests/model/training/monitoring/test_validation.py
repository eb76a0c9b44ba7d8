"""Held-out people: who is searched among whom, and the figures of a model on them."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model import SapiensID
from model.training.data.table import read_table
from model.training.monitoring.validation import (
    HeldOut,
    ValidationResult,
    rank_held_out,
    read_held_out,
)
from tests.model.training.small_shards import members, write_shards
from tests.written_shards import write_shard
from webbody.errors import WebbodyError
from webbody.geometry import on_square
from webbody.images import letterbox

SIDE = 96


def model() -> SapiensID:
    torch.manual_seed(0)
    return SapiensID(1, 32, 2, 16, image_size=SIDE, keypoint_bias=16)


def found(held_out: HeldOut, one: SapiensID | None = None) -> ValidationResult:
    return rank_held_out(one or model(), held_out, batch=3, device=torch.device("cpu"))


def features(samples: list[dict[str, bytes]], one: SapiensID) -> np.ndarray:
    """Normalised features, each image by itself."""
    import io
    import json

    rows = []
    for sample in samples:
        data = {name.rpartition(".")[2]: value for name, value in sample.items()}
        picture = Image.open(io.BytesIO(data["jpg"]))
        points = np.array(json.loads(data["json"])["keypoints"], np.float32)
        pixels = torch.from_numpy(letterbox(np.asarray(picture), SIDE)[0]).permute(2, 0, 1)[None]
        keypoints = torch.from_numpy(on_square(points, *picture.size))[None]
        with torch.no_grad():
            rows.append(one.eval()(pixels.float().div(127.5).sub(1), keypoints)[0].numpy())
    matrix = np.stack(rows)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def judged(similar: np.ndarray, query: np.ndarray, gallery: np.ndarray) -> tuple[float, float]:
    """rank-1 and mAP by the book; minus infinity takes an image out."""
    hits, precisions = [], []
    for row, person in zip(similar, query, strict=True):
        order = [i for i in np.argsort(-row) if np.isfinite(row[i])]
        right = gallery[order] == person
        if right.any():
            hits.append(right[0])
            places = np.flatnonzero(right) + 1
            precisions.append((np.arange(1, len(places) + 1) / places).mean())
    return float(np.mean(hits)), float(np.mean(precisions))


def test_every_image_is_searched_among_all_others(tmp_path: Path) -> None:
    source = write_shards(tmp_path, 11, 4)
    held_out = read_held_out([source], [], read_table)
    one = model()
    vectors = features([members(number) for number in range(11)], one)
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    person = np.arange(11) // 2
    rank1, mAP = judged(similar, person, person)
    seen = found(held_out, one)
    assert (seen.rank1, seen.mAP) == pytest.approx((rank1, mAP), abs=1e-6)
    assert 0 < mAP < 1
    # Number 10 is its person's only image.
    assert (seen.queries, seen.left_out) == (10, 1)


def test_queries_are_searched_in_the_gallery_of_their_source(tmp_path: Path) -> None:
    gallery, queries = range(0, 12, 2), range(1, 14, 2)
    paths = [tmp_path / name / "a.tar" for name in ("gallery", "queries")]
    for path, numbers in zip(paths, (gallery, queries), strict=True):
        write_shard(path, *[members(number) for number in numbers])
    held_out = read_held_out([str(paths[0].parent)], [str(paths[1].parent)], read_table)
    one = model()
    vectors = [features([members(number) for number in of], one) for of in (queries, gallery)]
    people = [np.array(of) // 2 for of in (queries, gallery)]
    rank1, mAP = judged(vectors[0] @ vectors[1].T, *people)
    seen = found(held_out, one)
    assert (seen.rank1, seen.mAP) == pytest.approx((rank1, mAP), abs=1e-6)
    assert (seen.queries, seen.left_out) == (6, 1)


def test_people_of_two_sources_are_others(tmp_path: Path) -> None:
    """The same numbers in two galleries: each query finds its own source's."""
    sources = {}
    for name, numbers in {"a": (0, 2), "b": (0, 2), "qa": (1, 3), "qb": (1, 3)}.items():
        write_shard(tmp_path / name / "a.tar", *[members(number) for number in numbers])
        sources[name] = str(tmp_path / name)
    held_out = read_held_out(
        [sources["a"], sources["b"]], [sources["qa"], sources["qb"]], read_table
    )
    assert held_out.person_N.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert held_out.query_N.tolist() == [False] * 4 + [True] * 4
    assert (held_out.gallery_N != held_out.query_N).all()


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    whole = [members(number) for number in range(8)]
    cut = {**members(8), "k8.jpg": members(8)["k8.jpg"][:400]}
    none = {**members(9), "k9.jpg": b"<html>"}
    write_shard(tmp_path / "whole" / "a.tar", *whole)
    write_shard(tmp_path / "damaged" / "a.tar", *whole, cut, none)
    seen = [
        found(read_held_out([str(tmp_path / name)], [], read_table))
        for name in ("whole", "damaged")
    ]
    assert (seen[0].rank1, seen[0].mAP, seen[0].queries) == pytest.approx(
        (seen[1].rank1, seen[1].mAP, seen[1].queries)
    )
    assert (seen[0].left_out, seen[1].left_out) == (0, 4)  # two queries, two of the gallery


def test_a_model_without_numbers_finds_nobody(tmp_path: Path) -> None:
    one = model()
    with torch.no_grad():
        one.norm.weight.fill_(torch.nan)
    seen = found(read_held_out([write_shards(tmp_path, 4, 2)], [], read_table), one)
    assert seen == ValidationResult(0.0, 0.0, 0, 8)


def test_training_is_not_disturbed(tmp_path: Path) -> None:
    held_out = read_held_out([write_shards(tmp_path, 6, 2)], [], read_table)
    one = model().train()
    before = {name: value.clone() for name, value in one.state_dict().items()}
    random = torch.get_rng_state()
    assert found(held_out, one) == found(held_out, one)
    assert one.training and all(part.training for part in one.modules())
    assert torch.equal(torch.get_rng_state(), random)
    for name, value in one.state_dict().items():
        assert torch.equal(value, before[name]), name
    # The weights still learn after having been used for inference.
    images, points = torch.rand(3, 3, SIDE, SIDE), torch.rand(3, 19, 3)
    one(images, points, 30).square().sum().backward()


def test_what_cannot_be_searched_is_told(tmp_path: Path) -> None:
    one, other = write_shards(tmp_path / "a", 4, 2), write_shards(tmp_path / "b", 4, 2)
    with pytest.raises(WebbodyError, match=r"2 sources do not belong to the 1 of"):
        read_held_out([one], [other, other], read_table)
    with pytest.raises(WebbodyError, match=r"a is the gallery too"):
        read_held_out([one], [one], read_table)
    write_shard(tmp_path / "single" / "a.tar", members(0), members(2))
    with pytest.raises(WebbodyError, match=r"single holds no other image of any query's person"):
        read_held_out([str(tmp_path / "single")], [], partial(read_table, processes=1))
    write_shard(tmp_path / "strangers" / "a.tar", members(10))
    with pytest.raises(WebbodyError, match=r"holds no other image"):
        read_held_out([one], [str(tmp_path / "strangers")], read_table)
