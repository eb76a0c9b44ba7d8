"""`webbody stats` and `webbody diff` of builds and releases, against their tables."""

import json
import shutil
from collections import Counter
from datetime import date
from statistics import median

import pyarrow.parquet as pq
import pytest
from release_of_build import make_release

from pipelines.statistics.compare import difference, statistics
from pipelines.statistics.plots import draw
from pipelines.takedown.surgery import apply
from tests.command_line import one_sentence, run
from webbody.removals import RemovalLists, Removals
from webbody.storage import Folder


@pytest.fixture(scope="module")
def release(demo, tmp_path_factory):
    return make_release(demo.out, tmp_path_factory.mktemp("stats") / "r").root


def rows_of(demo):
    paths = sorted((demo.out / "split").glob("t*-*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_figures_of_a_build(demo):
    found, rows = statistics(str(demo.out)), rows_of(demo)
    images = Counter(row["person"] for row in rows)
    assert found["samples"]["samples"] == len(rows)
    assert found["samples"]["people"] == len(images)
    assert found["samples"]["images_a_person"]["most"] == max(images.values())
    splits = {name: one["samples"] for name, one in found["samples"]["splits"].items()}
    assert splits == Counter(row["split"] for row in rows)
    noses = sum(row["keypoints"][2] > 0 for row in rows) / len(rows)
    assert found["samples"]["visible"]["nose"] == pytest.approx(noses, abs=1e-6)
    assert sum(found["body"]["framing"].values()) == len(rows)
    sides = [max(row["crop_width"], row["crop_height"]) for row in rows]
    assert found["body"]["crop_side"]["median"] == median(sides)
    assert found["build"]["outcomes"] == demo.result.outcomes
    assert sum(found["build"]["face_side"]["samples"].values()) == len(rows)


def test_a_release_has_the_figures_of_its_build(demo, release):
    build, released = statistics(str(demo.out)), statistics(str(release))
    assert released["body"] == build["body"]
    assert released["top_domains"] == build["top_domains"]
    assert {n: released["samples"][n] for n in build["samples"]} == build["samples"]
    found = difference(str(demo.out), str(release))
    assert found["figures"] == found["domains"] == found["settings"] == {}
    assert found["matched"]["people"]["with the same id"] == build["samples"]["people"]


def test_what_became_different(demo, tmp_path):
    copy = shutil.copytree(demo.out, tmp_path / "build")
    rows = rows_of(demo)
    person = rows[0]["person"]
    gone = sum(row["person"] == person for row in rows)
    listed = Removals("ab" * 32).plus(date(2026, 1, 2), "request", [("person", person)])
    apply(Folder(copy), RemovalLists((listed,)), listed)
    found = difference(str(demo.out), str(copy))
    assert found["matched"]["people"]["went"] == 1 and found["matched"]["samples"]["went"] == gone
    assert found["figures"]["samples.samples"]["difference"] == -gone
    assert found["domains"]["127.0.0.1"]["difference"] == -gone
    code, text, _ = run("diff", demo.out, copy)
    assert code == 0 and "samples.samples" in text and f"-{gone}" in text


def test_commands(demo, release, tmp_path):
    code, text, _ = run("stats", demo.out, "--plots", tmp_path / "plots")
    assert code == 0 and "paper, left" in text and "93.49" in text and "identity:" in text
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"funnel.png", "visibility.png", "images-a-person.png"} <= drawn
    code, text, _ = run("stats", release, "--json")
    assert code == 0 and json.loads(text)["kind"] == "release"
    code, text, _ = run("diff", demo.out, release, "--json")
    assert code == 0 and json.loads(text)["matched"]["samples"]["went"] == 0
    code, _, error = run("stats", tmp_path)
    assert code == 2 and one_sentence(error)


def test_a_build_that_is_not_complete(demo, tmp_path):
    copy = shutil.copytree(demo.out, tmp_path / "build")
    (copy / "pack" / "index.json").unlink()
    code, _, error = run("stats", copy)
    assert code == 2 and one_sentence(error) and "not complete" in error


def test_the_same_figures_are_drawn_as_the_same_bytes(demo, tmp_path):
    found = statistics(str(demo.out))
    for folder in ("a", "b"):
        draw([found, found], ["one", "two $x$"], str(tmp_path / folder))
    for path in (tmp_path / "a").iterdir():
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG") and data == (tmp_path / "b" / path.name).read_bytes()
