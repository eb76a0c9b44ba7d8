"""The supplement's studies, from data sets to tables beside the paper's figures."""

import csv
import json
from pathlib import Path

import pytest
import torch
from evaluated_trees import market, one_hot, write_features
from tiny_onnx import write_region_means

from model import SapiensID
from model.evaluation.visibility import keypoint_visibility
from pipelines.evaluate.models.embedder import open_embedder
from pipelines.evaluate.requests import DatasetRequest
from pipelines.evaluate.run import evaluate
from pipelines.study.figures import Point, averages, printed
from pipelines.study.fuse import fuse
from pipelines.study.tables import grids, to_csv, to_latex, write
from pipelines.study.variations import VARIATIONS
from pipelines.study.vary import vary
from tests.command_line import one_sentence, run
from webbody.config import BuildConfig
from webbody.demo.pose_scale import write_pose_scale
from webbody.errors import WebbodyError

SIDE = 96


def saved(path: Path, **arguments) -> Path:
    torch.manual_seed(0)
    model = SapiensID(1, 32, 2, 16, image_size=SIDE, keypoint_bias=16, **arguments)
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    write_pose_scale(folder, range(6), {"close": 2, "upper": 1, "full": 2})
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("checkpoint") / "model")


def varied(study: str, drawn: Path, checkpoint: Path, cache: Path) -> dict[str, dict[str, float]]:
    """Metrics by condition."""
    requests = [DatasetRequest("pose_scale", str(drawn))]
    found = vary(study, requests, [open_embedder(checkpoint)], BuildConfig(), str(cache))
    out: dict[str, dict[str, float]] = {}
    for point in found:
        assert (point.study, point.dataset, point.figure) == (study, "pose_scale", "general")
        assert point.ours is not None
        out.setdefault(point.condition, {})[point.metric] = point.ours
    return out


@pytest.mark.parametrize(
    ("study", "unchanged"),
    [("parts", "all"), ("strips", "full"), ("keypoints", "detected"), ("zoom", "original"),
     ("masks", "100%")],
)  # fmt: skip
def test_without_a_change_the_figures_are_those_of_an_evaluation(
    study: str, unchanged: str, drawn: Path, checkpoint: Path, tmp_path: Path
) -> None:
    requests = [DatasetRequest("pose_scale", str(drawn))]
    (whole,) = evaluate(requests, lambda: open_embedder(checkpoint), BuildConfig(), str(tmp_path))
    metrics = whole.figures[0].metrics
    found = varied(study, drawn, checkpoint, tmp_path)
    assert found[unchanged] == pytest.approx({k: 100 * metrics[k] for k in ("top1", "mAP")})
    others = [row for name, row in found.items() if name != unchanged]
    assert others and any(row != found[unchanged] for row in others)


def test_features_that_are_all_equal_find_nobody(
    drawn: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """Without any part; ties count against the query."""
    assert varied("parts", drawn, checkpoint, tmp_path)["none"]["top1"] == 0


def test_queries_and_gallery_may_be_of_different_variants(
    drawn: Path, checkpoint: Path, tmp_path: Path
) -> None:
    found = varied("zoom", drawn, checkpoint, tmp_path)
    assert list(found)[-2:] == ["queries closer", "queries farther"]
    different = {row["mAP"] for row in found.values()}
    assert len(different) == len(found)


def test_a_second_run_reads_what_the_first_has_made(
    drawn: Path, checkpoint: Path, tmp_path: Path
) -> None:
    first = varied("keypoints", drawn, checkpoint, tmp_path)
    (file,) = tmp_path.glob("*.parquet")
    made = file.stat().st_mtime_ns
    assert varied("keypoints", drawn, checkpoint, tmp_path) == first
    assert file.stat().st_mtime_ns == made


def test_only_semantic_heads_have_parts(drawn: Path, tmp_path: Path) -> None:
    pooled = saved(tmp_path / "pooled", head="pooled")
    with pytest.raises(WebbodyError, match=r"pooled: parts can be erased only from a semantic"):
        varied("parts", drawn, pooled, tmp_path)


def test_all_models_are_looked_at_before_the_first_is_studied(
    drawn: Path, checkpoint: Path, tmp_path: Path
) -> None:
    pooled = saved(tmp_path / "pooled", head="pooled")
    models = [open_embedder(path) for path in (checkpoint, pooled)]
    cache = tmp_path / "cache"
    with pytest.raises(WebbodyError, match="pooled: parts can be erased only"):
        vary("parts", [DatasetRequest("pose_scale", str(drawn))], models, BuildConfig(), str(cache))
    assert not cache.exists()


def test_every_condition_of_the_paper_is_one_of_ours(checkpoint: Path) -> None:
    text = Path(write.__code__.co_filename).with_name("paper.csv").read_text()
    conditions: dict[str, set[str]] = {}
    for row in csv.DictReader(text.splitlines()):
        conditions.setdefault(row["study"], set()).add(row["condition"])
    model = SapiensID.from_pretrained(checkpoint)
    for name, variation in VARIATIONS.items():
        ours = {*variation.make(model).variants, *variation.mixed}
        assert conditions.pop(name, set()) <= ours, name
    assert conditions.pop("fusion") == {"max", "min-max", "mean"}
    assert set(conditions) == {"visibility"}
    assert printed("parts", "all", "ltcc", "cloth-changing", "top1") == 42.35
    assert printed("keypoints", "noisy", "average", "long-term", "mean") == 56.08
    assert printed("masks", "100%", "ltcc", "general", "top1") is None


def test_averages_take_all_their_data_sets() -> None:
    cells = [("cplfw", 90.0), ("cfp_fp", 92.0), ("calfw", 94.0), ("agedb_30", 96.0)]
    found = [
        Point("strips", "m", condition, name, "verification", "accuracy", value)
        for condition in ("full", "top 1")
        for name, value in cells[: 4 if condition == "full" else 3]
    ]
    (mean,) = averages(found)
    assert (mean.condition, mean.figure, mean.ours) == ("full", "face", 93.0)


def test_tables_agree(tmp_path: Path) -> None:
    found = [
        Point("strips", "m", "full", "ltcc", "cloth-changing", "top1", 50.0),
        Point("strips", "m", "full", "ltcc", "general", "mAP", None),
        Point("strips", "m", "top 1", "ltcc", "cloth-changing", "top1", 25.0),
    ]
    (grid,) = grids(found)
    assert grid.columns == [("cloth-changing", "top1"), ("general", "mAP")]
    assert grid.printed == {("cloth-changing", "top1")} and list(grid.cells) == ["full", "top 1"]
    first, second, _ = csv.DictReader(to_csv(found).splitlines())
    assert (first["ours"], first["paper"]) == ("50.00", "42.35")
    assert (second["ours"], second["paper"]) == ("", "")
    assert r"full & 50.00 (42.35) & -- \\" in to_latex(found)
    assert r"top 1 & 25.00 (5.10) & -- \\" in to_latex(found)
    assert write(str(tmp_path), "strips", found) == ["strips.json", "strips.csv", "strips.tex"]
    (point, *_) = json.loads((tmp_path / "strips.json").read_text())["points"]
    assert point["paper"] == 42.35 and point["condition"] == "full"


def two_matchers(tmp_path: Path) -> list[str]:
    """The first takes persons 2, 3 and 9 for one; the second knows them, and has no other face."""
    images = market(tmp_path / "market")
    perfect = one_hot(images)
    faces = [int(Path(image).name[:4]) in (2, 3, 9) for image in images]
    confused = perfect.copy()
    confused[faces] = perfect[faces][0]
    seen = [one if face else None for one, face in zip(perfect, faces, strict=True)]
    return [
        str(write_features(tmp_path / "body.parquet", images, list(confused))),
        str(write_features(tmp_path / "face.parquet", images, seen)),
    ]


def test_fused_scores_find_whom_neither_matcher_finds_alone(tmp_path: Path) -> None:
    files = two_matchers(tmp_path)
    found = fuse("market1501", str(tmp_path / "market"), files, BuildConfig())
    top1 = {point.condition: point.ours for point in found if point.metric == "top1"}
    # Whoever looks alike to one of them is as alike as can be to the greatest of both.
    expected = {"body": 100 / 3, "face": 200 / 3, "max": 100 / 3, "min-max": 100, "mean": 100}
    assert top1 == pytest.approx(expected) and list(top1) == list(expected)


def test_fusion_tells_what_it_takes(tmp_path: Path) -> None:
    files = two_matchers(tmp_path)
    with pytest.raises(WebbodyError, match="two files of features or more"):
        fuse("market1501", str(tmp_path / "market"), files[:1], BuildConfig())


def test_strips_and_zoom_take_any_model(drawn: Path, tmp_path: Path) -> None:
    model = write_region_means(tmp_path / "means.onnx", (SIDE, SIDE), (2, 2))
    found = varied("strips", drawn, model, tmp_path)
    assert found["full"] != found["top 1"] and len(found) == 16
    with pytest.raises(WebbodyError, match=r"means.onnx: this study is of SapiensID"):
        varied("masks", drawn, model, tmp_path)


def test_commands(drawn: Path, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ["-k", checkpoint, "-d", f"pose_scale={drawn}", "-o", out]
    code, told, _ = run("study", "vary", "keypoints", *asked)
    assert code == 0 and "noisy" in told and (out / "keypoints.csv").is_file()
    files = two_matchers(tmp_path)
    market_here = f"market1501={tmp_path / 'market'}"
    code, told, _ = run("study", "fuse", *files, "-d", market_here, "-o", out)
    assert code == 0 and "min-max" in told and (out / "fusion.tex").is_file()
    code, told, _ = run("study", "visibility", drawn)
    share = keypoint_visibility([str(drawn)]).share["left_ankle"]
    (line,) = (line for line in told.splitlines() if "left_ankle" in line)
    assert code == 0 and line.split() == ["left_ankle", f"{share:.2%}", "16.98%"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("vary", "parts", "-k", "nowhere", "-d", "pose_scale=nowhere", "-o", "out"),
        ("vary", "parts", "-k", "nowhere", "-o", "out"),
        ("fuse", "a.parquet", "b.parquet", "-d", "market1501=nowhere", "-o", "out"),
        ("fuse", "a.parquet", "b.parquet", "-d", "market1501", "-o", "out"),
        ("visibility", "nowhere"),
    ],
)
def test_what_a_user_can_mend_is_told_in_a_sentence(arguments: tuple[str, ...]) -> None:
    code, _, error = run("study", *arguments)
    assert code == 2 and one_sentence(error), error
