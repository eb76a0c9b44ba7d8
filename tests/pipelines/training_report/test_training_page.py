"""The page of a training: from a run that is going on, has ended, is odd or hostile."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from model.training.monitoring.example_rankings import (
    ExampleRanking,
    PictureInTar,
    SimilarPicture,
)
from model.training.monitoring.metric_log import LOG, RANKINGS, SCORES
from pipelines.training_report.content import is_training, read_training
from pipelines.training_report.page import picture_bytes, training_page
from tests.command_line import one_sentence, run
from webbody.errors import WebbodyError
from webbody.images import encode_jpeg
from webbody.shards import TarWriter

HOSTILE = "<script>alert(1)</script>"


def report(done, **other):
    return {
        "done": done, "steps": 100, "seen": 10 * done, "loss": 5 - done / 50, "grad_norm": 1.0,
        "lr": 1e-3, "images": 50.0, "eta": 7200.0, **other,
    }  # fmt: skip


def score(done, rank1):
    return {"done": done, "seen": 10 * done, "rank1": rank1, "mAP": rank1 / 2, "queries": 9}


def write_lines(path, lines):
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def training(tmp_path):
    """A run after 40 of 100 steps, with pictures for its rankings."""
    out = tmp_path / "run"
    (out / "best").mkdir(parents=True)
    write_lines(out / LOG, [report(done) for done in range(4, 44, 4)])
    write_lines(out / SCORES, [score(0, 0.1), score(20, 0.5), score(40, 0.4)])
    (out / "best/score.json").write_text(json.dumps(score(20, 0.5)))
    places = []
    with (tmp_path / "held-000.tar").open("wb") as file:
        tar = TarWriter(file)
        for number in range(6):
            pixels = np.full((60, 40, 3), 40 * number, np.uint8)
            where = tar.add(f"{number}.jpg", encode_jpeg(pixels, 90))
            places.append(PictureInTar(f"{tmp_path}/held-000.tar", *where))
        tar.close()
    rankings = [
        ExampleRanking(
            places[number], 1 + 2 * number,
            [SimilarPicture(places[3], 0.9, number == 0), SimilarPicture(places[4], 0.8, False)],
        )
        for number in range(3)
    ]  # fmt: skip
    told = {"done": 40, "rankings": [asdict(one) for one in rankings]}
    (out / RANKINGS).write_text(json.dumps(told))
    return out


def test_a_run_that_goes_on_is_shown(training):
    code, said, _ = run("report", training)
    assert code == 0 and said.strip() == f"{training}/report.html"
    html = (training / "report.html").read_text("utf-8")
    assert "step <b>40</b> of 100" in html and "<b>2.0</b> hours left" in html
    assert html.count("<svg") == 4 and "var(--bar)" in html
    assert html.count('src="data:image/jpeg') == 3 * 3
    assert html.count('class="match"') == 1 and html.count('class="other"') == 5
    # The query that finds its person latest comes first.
    assert re.findall(r"found at (\d)", html) == ["5", "3", "1"]
    assert re.search(r"<td>20</td>.*?the best", html, re.DOTALL)
    assert "validation at step 40" in html
    assert "https://" not in html and 'src="http' not in html


def test_a_server_gives_addresses_of_its_own(training):
    content = read_training(str(training))
    html = training_page("run", content, lambda place: f"/tar/{place.offset}/{place.length}")
    assert html.count('src="/tar/') == 9
    assert picture_bytes(content.rankings[0].query)[:2] == b"\xff\xd8"


def test_what_is_half_written_is_left_out(training):
    with (training / LOG).open("a") as lines:
        lines.write('{"done": 44, "ste')
    with (training / SCORES).open("a") as lines:
        lines.write('{"done": 60, "seen": 600, "rank1": null}\n[1]\n"text"\n{"rank1": "x"}\n')
    content = read_training(str(training))
    assert content.newest["done"] == 40 and not content.is_done
    assert [one["done"] for one in content.scores] == [0, 20, 40]
    for text in ("", "[]", "{", '{"done": 1, "rankings": [{}]}', '{"done": 1, "rankings": [3]}'):
        (training / RANKINGS).write_text(text)
        assert read_training(str(training)).rankings == []
    (training / "best/score.json").write_text("[")
    assert read_training(str(training)).best is None
    assert "Rankings of" not in training_page("run", read_training(str(training)), lambda _: None)


def test_a_run_without_a_report_or_validation_is_shown(tmp_path):
    write_lines(tmp_path / SCORES, [score(0, 0.1)])
    assert "no report yet" in training_page("x", read_training(str(tmp_path)), lambda _: None)
    (tmp_path / SCORES).unlink()
    write_lines(tmp_path / LOG, [report(100)])
    html = training_page("x", read_training(str(tmp_path)), lambda _: None)
    assert html.count("<svg") == 3 and "<b>done</b>" in html
    # A model of Sapiens has one metric, by its name.
    other = {"done": 100, "seen": 1000, "metric": HOSTILE, "value": 0.25}
    write_lines(tmp_path / SCORES, [other])
    html = training_page("x", read_training(str(tmp_path)), lambda _: None)
    assert html.count("<svg") == 4 and "0.25" in html and "<script" not in html


def test_places_of_pictures_are_not_trusted(training, tmp_path):
    tar = f"{tmp_path}/held-000.tar"
    for place in (
        PictureInTar(tar, -1, 100), PictureInTar(tar, 0, 0), PictureInTar(tar, 512, 1 << 40),
        PictureInTar(tar, 1 << 40, 100), PictureInTar(f"{tmp_path}/gone.tar", 512, 100),
        PictureInTar("", 512, 100), PictureInTar("nosuch://x/y.tar", 512, 100),
    ):  # fmt: skip
        assert picture_bytes(place) is None, place
    told = json.loads((training / RANKINGS).read_text())
    told["rankings"][0]["query"]["shard"] = f"{tmp_path}/{HOSTILE}.tar"
    (training / RANKINGS).write_text(json.dumps(told))
    assert run("report", training)[0] == 0
    html = (training / "report.html").read_text("utf-8")
    assert "<script" not in html and html.count("no picture") == 1


def test_other_folders_are_none(tmp_path):
    assert not is_training(str(tmp_path))
    with pytest.raises(WebbodyError, match="holds no training"):
        read_training(str(tmp_path))
    code, _, error = run("report", tmp_path)
    assert code == 2 and one_sentence(error) and "holds no build" in error
