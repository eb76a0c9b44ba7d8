"""What the pages of an evaluation show: failures first, and two models side by side."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from evaluated_trees import market, one_hot, write_features

from model.evaluation.images import Images
from model.evaluation.ranking import evaluate as rank_all
from pipelines.evaluate.report.beside import read_beside
from pipelines.evaluate.report.content import ImagePlace, read_evaluation
from pipelines.evaluate.report.output import write, write_beside
from pipelines.evaluate.report.page import beside_page, embedded, page, rankings_of
from pipelines.evaluate.requests import DatasetRequest
from pipelines.evaluate.run import evaluate
from pipelines.evaluate.tasks import ranked
from tests import command_line
from tests.command_line import one_sentence
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.images import encode_jpeg


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A model that tells everybody apart, and one that mixes up the people 1 and 2."""
    root = tmp_path_factory.mktemp("evaluated")
    images = market(root / "market")
    rng = np.random.default_rng(0)
    for image in images:
        pixels = np.full((64, 32, 3), rng.integers(0, 256, 3), np.uint8)
        (root / "market" / image).write_bytes(encode_jpeg(pixels, 90))
    features = np.stack(one_hot(images))
    mixed = features.copy()
    ones = np.array(["/0001_" in image and "query" in image for image in images])
    twos = np.array(["/0002_" in image for image in images])
    mixed[ones] = features[twos][0]
    for name, values in (("right", features), ("mixed", mixed)):
        file = write_features(root / f"{name}.parquet", images, list(values))
        request = DatasetRequest("market1501", str(root / "market"), str(file))
        settings = BuildConfig()
        found = evaluate([request], lambda: pytest.fail("no"), settings, str(root / "cache"))
        write(str(root / name), found)
    return root


def test_failures_come_first(evaluated):
    (figure,) = read_evaluation(str(evaluated / "mixed")).figures
    assert figure.title == "Market-1501, general" and figure.curve.kind == "CMC"
    failures, spread = figure.groups
    assert failures.title == "Failures: 1 of 3 queries"
    (worst,) = failures.rankings
    assert worst.query.name.startswith("0001_") and worst.first_match > 1
    assert not worst.found[0].match and worst.found[0].place.name.startswith("0002_")
    assert [one.precision for one in spread.rankings] == sorted(
        (one.precision for one in spread.rankings), reverse=True
    )
    (figure,) = read_evaluation(str(evaluated / "right")).figures
    assert [group.title for group in figure.groups] == ["From the best query to the worst"]


def test_two_models_are_told_apart_query_by_query(evaluated):
    content = read_beside(str(evaluated / "mixed"), str(evaluated / "right"))
    (figure,) = content.figures
    assert figure.title == "Market-1501, general" and figure.queries == 3
    counts = {group.title: group.count for group in figure.groups}
    assert counts == {
        "Only the second is right": 1,
        "Only the first is right": 0,
        "Both are wrong": 0,
        "Both are right": 2,
    }
    (pair,) = figure.groups[0].pairs
    assert pair.query.name.startswith("0001_")
    assert not pair.first.found[0].match and pair.second.found[0].match
    top1 = next(row for row in content.rows if row.metric == "top1")
    assert (top1.second, top1.difference) == (100, pytest.approx(100 / 3))


def test_a_server_gives_addresses_of_its_own(evaluated):
    """The pages are made of what was read and of a function that says where a picture is."""
    asked = []

    def source(place):
        asked.append(place)
        return f"/picture/{len(asked)}"

    content = read_evaluation(str(evaluated / "mixed"))
    html = page(content, source)
    assert html.count("<img") == len(asked) and 'src="/picture/1"' in html and "data:image" not in (
        html.partition("<body>")[2]
    )  # fmt: skip
    assert {type(place) for place in asked} == {ImagePlace}
    both = read_beside(str(evaluated / "mixed"), str(evaluated / "right"))
    assert beside_page(both, lambda place: None).count("no picture") > 10


def test_pages_hold_their_pictures_and_no_more_than_fits(evaluated, monkeypatch):
    content = read_evaluation(str(evaluated / "mixed"))
    source = embedded(rankings_of(content))
    assert page(content, source).count('src="data:image/jpeg') > 10
    monkeypatch.setattr("pipelines.evaluate.report.page._SHARE", 3_000)
    few = page(content, embedded(rankings_of(content)))
    assert few.count("no picture") > 3
    assert len(re.findall(r'src="data[^"]*"', few)) * 500 < 3_000 * len(content.figures)


def test_names_and_paths_cannot_write_into_the_pages(evaluated, tmp_path):
    hostile = '<script>alert(1)</script>"onerror=x'
    for name in ("mixed", "right"):
        out = tmp_path / name
        out.mkdir()
        told = json.loads((evaluated / name / "evaluation.json").read_text())
        told["data_sets"][0] |= {"title": hostile, "path": hostile, "features": hostile}
        told["data_sets"][0]["figures"][0]["notes"] = [hostile]
        told["table"][0] |= {"dataset": hostile, "metric": hostile}
        (out / "evaluation.json").write_text(json.dumps(told))
        table = pq.read_table(evaluated / name / "rankings.parquet")
        at = table.column_names.index("query")
        queries = [f"{one}{hostile}" for one in table["query"].to_pylist()]
        pq.write_table(table.set_column(at, "query", [queries]), out / "rankings.parquet")
    content = read_evaluation(str(tmp_path / "mixed"))
    write_beside(str(tmp_path / "mixed"), str(tmp_path / "right"))
    for html in (
        page(content, embedded(rankings_of(content))),
        (tmp_path / "mixed/beside.html").read_text(),
    ):
        assert "<script" not in html and '"onerror' not in html and "&lt;script" in html


def test_the_command_shows_two_side_by_side(evaluated, tmp_path):
    run = command_line.run
    code, out, _ = run("evaluate", "-o", evaluated / "right", "--beside", evaluated / "mixed")
    assert code == 0 and "beside.html" in out
    assert "Only the first is right: 1" in (evaluated / "right/beside.html").read_text()
    code, _, error = run("evaluate", "-o", tmp_path, "--beside", evaluated / "mixed")
    assert code == 2 and one_sentence(error) and "holds no evaluation" in error
    for text in ("[]", "{}", '{"data_sets": [{}], "table": []}', "not json"):
        (tmp_path / "evaluation.json").write_text(text)
        with pytest.raises(WebbodyError, match="evaluation"):
            read_evaluation(str(tmp_path))
    other = json.loads((evaluated / "mixed/evaluation.json").read_text())
    other["table"] = []
    (tmp_path / "evaluation.json").write_text(json.dumps(other))
    with pytest.raises(WebbodyError, match="different data sets"):
        read_beside(str(tmp_path), str(evaluated / "right"))


def test_kept_rankings_are_those_of_the_figures(monkeypatch):
    """Of some queries, the same for every model, and of the worst; in blocks of any size."""
    monkeypatch.setattr(ranked, "_SAME", 20)
    monkeypatch.setattr(ranked, "_WORST", 5)
    rng = np.random.default_rng(0)

    def side(count):
        features = rng.standard_normal((count, 8)).astype(np.float32)
        return Images(features, rng.integers(0, 9, count), rng.integers(0, 3, count))

    query, gallery = side(60), side(90)
    names = ([f"q{i}" for i in range(60)], [f"g{i}" for i in range(90)])
    found = rank_all(query, gallery, "general")
    first = ranked.ranked_queries(query, gallery, "general", names, found)
    monkeypatch.setattr(ranked, "_MEMORY", 1)
    again = ranked.ranked_queries(query, gallery, "general", names, found)
    assert [one.image for one in first] == [one.image for one in again]
    kept = [one for one in first if one.found]
    assert 20 <= len(kept) <= 25 and len(first) == found.queries
    worst = sorted(first, key=lambda one: one.precision)[:5]
    assert all(one.found for one in worst)
    for one, other in zip(first, again, strict=True):
        assert [x.image for x in one.found] == [x.image for x in other.found]
        if one.found:
            cosines = [image.cosine for image in one.found]
            assert cosines == sorted(cosines, reverse=True)
            hits = [place for place, image in enumerate(one.found, 1) if image.match]
            assert (hits[0] if hits else 11) == min(one.first_match, 11)
    assert sum(one.is_right for one in first) / len(first) == pytest.approx(found.rank(1))
