"""`webbody evaluate` as a user meets it: drawn people, a tiny model, the demo's keypoints."""

import json
import re
import shutil
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from evaluated_trees import market, one_hot, write_features

from tests import command_line
from tests.command_line import one_sentence
from webbody.demo.pose_scale import picture, write_pose_scale
from webbody.images import encode_jpeg

#: Identities of nobody whom a training has drawn.
PEOPLE = range(1000, 1004)

run = partial(command_line.run, "evaluate")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    from model import SapiensID
    from model.sapiensid.sapiensid import PRESETS

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    SapiensID(**PRESETS["tiny"]).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    write_pose_scale(folder, PEOPLE, {"close": 2, "upper": 1, "full": 1})
    return folder


def test_people_of_shards(people, checkpoint, tmp_path):
    out = tmp_path / "out"
    code, text, _ = run("-d", f"pose-scale={people}", "-k", checkpoint, "-o", out)
    assert code == 0 and "4 queries, 8 in the gallery" in text
    told = json.loads((out / "evaluation.json").read_text())
    (figure,) = told["data_sets"][0]["figures"]
    assert 0 < figure["metrics"]["mAP"] <= 1 and figure["counts"]["queries"] == 4
    # What is kept is used again, and nothing else is: its rows say what the ranking is.
    (kept,) = (out / "features").glob("pose_scale-*.parquet")
    table = pq.read_table(kept)
    assert len(table) == 12 and all("/upper" not in key for key in table["key"].to_pylist())
    before = kept.stat().st_mtime_ns
    assert run("-d", f"pose-scale={people}", "-k", checkpoint, "-o", out)[0] == 0
    assert kept.stat().st_mtime_ns == before
    page = (out / "evaluation.html").read_text()
    # Four queries from the best to the worst, those that fail before them, eight images of each.
    wrong = round(4 * (1 - figure["metrics"]["top1"]))
    assert 0 < wrong < 4 and f"Failures: {wrong} of 4 queries" in page
    assert page.count("<figure") == (4 + wrong) * (1 + 8) == page.count("<img")
    assert page.count('class="match"') == (4 + wrong) * 2
    # A rank for each image of the gallery; everybody is found by the last, at the top right.
    points = re.findall(r"[\d.]+ [\d.]+", re.search(r'id="curve">\s*<path d="([^"]+)"', page)[1])
    assert len(points) == 8 and points[-1] == "408 24"


def test_features_of_another_place_give_the_same(people, checkpoint, tmp_path):
    data, out = f"pose-scale={people}", tmp_path / "out"
    assert run("-d", data, "-k", checkpoint, "-o", out)[0] == 0
    (kept,) = (out / "features").glob("*.parquet")
    table = pq.read_table(kept)
    pq.write_table(
        table.select(["key", "feature"]).take(np.arange(len(table))[::-1]), tmp_path / "f.parquet"
    )
    assert run("-d", data, "-f", tmp_path / "f.parquet", "-o", tmp_path / "other")[0] == 0
    tables = [(folder / "evaluation.csv").read_text() for folder in (out, tmp_path / "other")]
    assert tables[0] == tables[1]


def test_keypoints_are_found_in_pictures(checkpoint, tmp_path):
    for person, shot, name in (
        (1000, "full", "query/0001_c1s1_1_00.jpg"),
        (1001, "full", "query/0002_c1s1_1_00.jpg"),
        (1000, "close", "bounding_box_test/0001_c2s1_1_00.jpg"),
        (1001, "close", "bounding_box_test/0002_c2s1_1_00.jpg"),
    ):
        path = tmp_path / "market" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(picture(person, shot, 0)[0], 90))
    broken = tmp_path / "market/bounding_box_test/0002_c3s1_1_00.jpg"
    broken.write_bytes(path.read_bytes()[:2000])
    out = tmp_path / "out"
    data = f"market1501={tmp_path / 'market'}"
    code, text, _ = run("-d", data, "-k", checkpoint, "-o", out, "--demo")
    assert (
        code == 0 and "88.18" in text and "2 queries, 2 in the gallery, 1 images without a" in text
    )
    (kept,) = (out / "features").glob("*.parquet")
    rows = pq.read_table(kept).to_pylist()
    assert [row["outcome"] for row in rows].count(None) == 4
    assert all(row["visible"] > 3 for row in rows if row["outcome"] is None)
    assert (out / "evaluation.html").read_text().count("<img") == 2 * 2 * (1 + 2)


def test_exit_code_where_no_query_has_a_match(tmp_path):
    images = [image for image in market(tmp_path / "market") if "_c2" not in image]
    for path in (tmp_path / "market").glob("*/*_c2*.jpg"):
        path.unlink()
    file = write_features(tmp_path / "f.parquet", images, list(one_hot(images)))
    data = f"market1501={tmp_path / 'market'}"
    code, text, error = run("-d", data, "-f", file, "-o", tmp_path / "out")
    assert code == 1 and one_sentence(error) and "market1501: some figures are not defined" in error
    assert "4 queries without a match" in text
    assert "not defined" in (tmp_path / "out/evaluation.html").read_text()


def test_what_is_missing_is_told(people, checkpoint, tmp_path):
    out = tmp_path / "out"
    for args, text in (
        ([], "Give data sets (--dataset NAME=PATH or --data) and --out"),
        (["-d", f"pose_scale={people}", "-o", out], "give --checkpoint"),
        (["-d", f"ltcc={tmp_path}/none", "-o", out, "-k", checkpoint], "none: there is no such"),
        (["-d", f"ltcc={people}", "-o", out], "query, test should be here"),
        (["-d", f"pose_scale={tmp_path}", "-o", out], "full-*.tar: there are no shards"),
        (["--data", tmp_path / "no.yaml", "-o", out], "no.yaml: cannot be read"),
    ):
        code, _, error = run(*args)
        assert code == 2 and one_sentence(error) and text in error, error
    assert not out.exists()


def test_a_damaged_shard_is_told(people, checkpoint, tmp_path):
    shutil.copytree(people, tmp_path / "cut")
    tar = tmp_path / "cut/close-000.tar"
    tar.write_bytes(tar.read_bytes()[:50_000])
    code, _, error = run("-d", f"pose_scale={tmp_path / 'cut'}", "-k", checkpoint, "-o", tmp_path)
    assert code == 2 and one_sentence(error) and "close-000.tar is damaged" in error


def test_the_list_says_what_was_found(tmp_path):
    market(tmp_path / "market")
    code, text, _ = run("--list", "-d", f"market1501={tmp_path}/market", "-d", f"lfw={tmp_path}")
    assert code == 0
    assert f"found  {tmp_path}/market: 9 images" in text
    assert f"found  NO  lfw: {tmp_path}/lfw.bin: there is no such file." in text
    assert "celebreid  (Celeb-reID)\n    from   github.com/Huang-3/Celeb-reID" in text
    assert text.count("no path given") == text.count("    from ") - 2
    assert np.all([name in text for name in ("ijbc", "webbody_test", "tinyface", "agedb_30")])
