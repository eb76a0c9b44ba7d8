"""Filters of the user's own in a whole build: what is dropped, what tells it, what is redone."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

from pipelines.build import build
from pipelines.engine.build_files import BuildFiles
from pipelines.inspection.estimate import estimate
from pipelines.inspection.explain import explain
from pipelines.inspection.report import page
from pipelines.inspection.status import status
from tests.command_line import one_sentence
from tests.command_line import run as command
from webbody.config import FilterSettings, load
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import photo
from webbody.demo.scoring.score import score
from webbody.images import decode

EXAMPLES = Path(__file__).parents[2] / "examples"
TOY = """
def few(image, row):
    assert image.shape == (row["height"], row["width"], 3) and row["url"].startswith("http")
    return (False, "photo") if row["key"][0] < "4" else True


def crops(image, row, below):
    left, top, right, bottom = row["area"]
    assert image.shape == (bottom - top, right - left, 3) and len(row["keypoints"]) == 51
    return (False, "crop") if row["key"][1] < below else True
"""


def tables(out, stage):
    return [row for path in sorted(out.glob(f"{stage}/*.parquet")) if len(path.stem) == 8
            for row in pq.read_table(path).to_pylist()]  # fmt: skip


def times(out):
    return {path: path.stat().st_mtime_ns for path in out.glob("*/*")}


@pytest.fixture(scope="module")
def filtered(demo, tmp_path_factory):
    """A build of the demo's web with three filters, and its result."""
    root = tmp_path_factory.mktemp("filtered")
    shutil.copytree(demo.out, root / "out")
    (root / "toy.py").write_text(TOY)
    config = demo.settings(root / "out")
    toy = {"function": "toy:few", "after": "download", "folder": str(root)}
    more = {**toy, "function": "toy:crops", "after": "persons", "settings": {"below": "4"}}
    (example,) = load(EXAMPLES / "blur.yaml").filters
    assert example.folder == str(EXAMPLES)
    example.settings = {"least": 200}
    config.filters = (FilterSettings(**toy), FilterSettings(**more), example)
    before = times(root / "out")
    return root / "out", config, build(config), before


def test_what_they_drop_is_dropped_before_later_stages_work(demo, filtered):
    out, _, result, before = filtered
    assert result.complete and sum(result.outcomes.values()) == result.rows == demo.result.rows
    assert not [p for p in before if p.parent.name == "download" and before[p] != times(out)[p]]

    photos = {row["key"] for row in tables(out, "download") if row["outcome"] is None}
    persons = tables(out, "persons")
    first = {row["key"] for row in persons if row["outcome"] == "custom:photo"}
    assert first == {key for key in photos if key[0] < "4"} != set()
    assert all(row["offset"] is None for row in persons if row["key"] in first)

    crops = {row["crop"] for row in persons if row["outcome"] is None}
    faces = tables(out, "faces")
    second = {row["crop"] for row in faces if row["outcome"] == "custom:crop"}
    assert second == {crop for crop in crops if crop[1] < "4"} != set()
    assert all(row["box"] is row["feature"] is None for row in faces if row["crop"] in second)

    found = {row["crop"]: row for row in faces if row["outcome"] is None}
    clusters = tables(out, "clusters")
    assert {row["crop"] for row in clusters} == set(found)
    third = {row["crop"] for row in clusters if row["outcome"] == "custom:blurred"}
    assert third == {crop for crop in found if not sharp(out, found[crop])} != set()
    assert all(row["cluster"] == -1 for row in clusters if row["crop"] in third)

    ledger = Counter(row["outcome"] for row in tables(out, "ledger"))
    assert ledger["custom:photo"] == len(first)
    assert ledger["custom:crop"] == len({crop.split("-")[0] for crop in second})
    assert 0 < ledger["custom:blurred"] <= len(third)
    kept = {row["key"] for row in tables(out, "ledger") if row["outcome"] == "kept"}
    assert kept and not kept & first


def sharp(out, face):
    from pipelines.base.custom_filter import CustomFilter, find_filter

    function = CustomFilter(find_filter("blur:sharp_enough", str(EXAMPLES), {"least": 200}))
    for path in out.glob("persons/*.parquet"):
        for row in pq.read_table(path).to_pylist():
            if row["crop"] == face["crop"]:
                with path.with_suffix(".tar").open("rb") as tar:
                    tar.seek(row["offset"])
                    return function(decode(tar.read(row["length"]), 10**8), face) is None
    raise AssertionError(face["crop"])


def test_everything_that_tells_of_a_build_tells_of_them(demo, filtered):
    out, config, result, _ = filtered
    state = status(str(out))
    assert state.complete and state.outcomes == result.outcomes
    code, said, _ = command("status", out)
    assert code == 0 and "custom:photo" in said and "dropped by a filter of your own" in said
    row = next(row for row in tables(out, "clusters") if row["outcome"] == "custom:blurred")
    (step,) = [s for s in explain(str(out), row["key"])[0].steps if s.item == row["crop"]][-1:]
    assert (step.outcome, step.figures["detail"]) == ("custom:blurred", "blur:sharp_enough")
    with BuildFiles(str(out)) as files:
        text = page(files, 3, 6)
    assert "Your own filters" in text and "custom:blurred" in text
    assert ", ".join(f.function for f in config.filters) in text
    scored = score(out, demo.web)
    assert scored["outcomes"]["custom:photo"] > 0 and scored["outcomes_add_up"]
    planned = estimate(config)
    assert [f.split()[0] for f in planned.filters] == [f.function for f in config.filters]
    assert planned.filters[-1] == f"blur:sharp_enough after faces ({EXAMPLES / 'blur.py'})"
    assert not any(stage.shards for stage in planned.stages.values())


def test_a_dry_run_counts_what_the_settings_would_do_again(filtered):
    _, config, _, _ = filtered
    config = config.model_copy(deep=True)
    config.filters[-1].settings = {"least": 201}
    undone = {name for name, stage in estimate(config).stages.items() if stage.shards}
    assert undone == {"clusters", "identities", "keypoints", "split", "pack", "ledger"}
    config.filters = ()
    undone |= {"persons", "faces", "flags"}
    assert undone == {name for name, stage in estimate(config).stages.items() if stage.shards}


def test_an_edited_filter_does_again_what_reads_it_and_a_failing_one_fails_its_shard(filtered):
    out, config, _, _ = filtered
    copy = out.parent / "copy"
    shutil.copytree(out, copy)
    victim = next(row for row in tables(out, "faces") if row["outcome"] is None)["crop"]
    text = (EXAMPLES / "blur.py").read_text()
    broken = f"    if row['crop'] == {victim!r}:\n        raise ValueError('not \\n this one')\n"
    (copy.parent / "blur.py").write_text(
        text.replace("    height, width", broken + "    height, width")
    )
    config = config.model_copy(deep=True)
    config.out = str(copy)
    config.filters[-1].folder = str(copy.parent)
    before = times(copy)
    result = build(config, partial=True)
    assert [failure.stage for failure in result.failures] == ["clusters"]
    (failure,) = result.failures
    assert f"The filter blur:sharp_enough, at {victim}, failed (ValueError: not" in failure.message
    assert one_sentence(f"webbody: {failure.message}\n")
    assert result.outcomes["incomplete"] > 0 and "kept" in result.outcomes
    done = {p.parent.name for p, time in times(copy).items() if before.get(p) != time}
    assert "clusters" in done and not done & {"plan", "download", "persons", "faces"}


def test_a_wrong_filter_is_told_before_anything_is_done(demo, tmp_path):
    arguments = ("-c", tmp_path / "own.yaml", "-m", demo.config.manifest, "-o", tmp_path / "new")
    for text, told in (
        ("{function: none_such:check, after: persons}", "there is no module none_such"),
        ("{function: check, after: persons}", "write module:function"),
        ("{function: mine:check, after: pack}", "after"),
        ("{function: mine:check}", "after"),
        ("{function: mine:check, after: faces, setings: {}}", "there is no such setting"),
    ):
        (tmp_path / "own.yaml").write_text(f"filters: [{text}]")
        code, _, said = command("build", *arguments)
        assert code == 2 and one_sentence(said) and told in said
    assert not (tmp_path / "new").exists()
    (tmp_path / "lacking.py").write_text("class Check: ...")
    (tmp_path / "own.yaml").write_text("filters: [{function: lacking:Check, after: faces}]")
    code, _, said = command("build", "--plan", *arguments)
    assert code == 2 and one_sentence(said) and "has no function Check" in said


def test_the_example_tells_sharp_faces_from_blurred_ones():
    from pipelines.base.custom_filter import CustomFilter, find_filter

    (chosen,) = load(EXAMPLES / "blur.yaml").filters
    check = CustomFilter(find_filter(chosen.function, chosen.folder, chosen.settings))
    faces = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        taken = photo(rng, [Identity.sample(seed)], (640, 480), heads=(0.15, 0.4), frontal=1.0)
        figure = taken.figures[0]
        if figure.face is None:
            continue
        faces += 1
        image = np.ascontiguousarray(taken.image[..., ::-1])
        row = {"key": str(seed), "box": figure.face.box.tolist()}
        radius = float(figure.face.box[2] - figure.face.box[0]) / 10
        blurred = np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
        assert check(image, row) is None
        assert check(blurred, row).outcome == "custom:blurred"
    assert faces >= 6
