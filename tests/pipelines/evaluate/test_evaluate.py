"""Data sets with features to figures, beside those of the paper."""

import csv
import json
import math
import re
from itertools import chain
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluated_trees import market, one_hot, write_features, write_pairs

from model.evaluation.readers.datasets import DATASETS
from pipelines.evaluate import benchmarks
from pipelines.evaluate.models.features import read
from pipelines.evaluate.report.paper import AVERAGES, paper, paper_average
from pipelines.evaluate.report.plot import draw, plot
from pipelines.evaluate.report.tables import rows, to_csv, to_json, to_latex
from pipelines.evaluate.requests import DatasetRequest, read_requests
from pipelines.evaluate.run import evaluate
from pipelines.evaluate.tasks.figure import Curve
from webbody.config import BuildConfig
from webbody.errors import WebbodyError


def no_model():
    raise AssertionError("features are given")


def found_of(tmp_path, *requests):
    return evaluate(requests, no_model, BuildConfig(), str(tmp_path / "cache"))


@pytest.fixture
def perfect(tmp_path):
    """A tiny Market-1501, evaluated with features that tell all people apart."""
    images = market(tmp_path / "market")
    file = write_features(tmp_path / "f.parquet", images[::-1], list(one_hot(images[::-1])))
    return found_of(tmp_path, DatasetRequest("market1501", str(tmp_path / "market"), str(file)))


def test_perfect_features_find_everybody(perfect):
    (figure,) = perfect[0].figures
    assert figure.name == "general"
    assert figure.metrics["top1"] == figure.metrics["mAP"] == figure.metrics["mINP"] == 1
    # Nobody of the gallery is the person of the last query.
    assert figure.counts["queries"] == 3 and figure.counts["queries without a match"] == 1
    assert figure.counts["in the gallery"] == 5


def test_rankings_leave_out_the_same_camera(perfect):
    (figure,) = perfect[0].figures
    first = next(one for one in figure.queries if one.image.startswith("query/0001"))
    names = [found.image for found in first.found]
    assert names[0] == "bounding_box_test/0001_c2s1_1_00.jpg" and first.found[0].match
    assert "bounding_box_test/0001_c1s1_2_00.jpg" not in names and len(names) == 4
    assert first.precision == 1 and not any(found.match for found in first.found[1:])


def test_the_paper_stands_beside(perfect):
    top1, mean = rows(perfect)
    assert (top1.metric, top1.ours, top1.sapiensid) == ("top1", 100, 88.18)
    assert top1.difference == pytest.approx(11.82)
    assert top1.best_other == 97.03 and top1.other_method == "SOLIDER (LU4M+Market1501)"
    assert (mean.metric, mean.sapiensid) == ("mAP", 68.26)


def test_json_csv_and_latex_agree(perfect):
    told = json.loads(to_json(perfect))
    (row, _) = csv.DictReader(to_csv(perfect).splitlines())
    assert row["ours"] == "100.00" and row["difference"] == "+11.82"
    assert told["table"][0]["ours"] == 100
    figure = told["data_sets"][0]["figures"][0]
    assert figure["metrics"]["top5"] == 1 and figure["counts"]["in the gallery"] == 5
    assert r"Market-1501 & general & top1 & 100.00 & 88.18 & 97.03 &" in to_latex(perfect)


def test_images_without_a_feature_are_counted(tmp_path):
    images = market(tmp_path / "market")
    features = [None if "0003_c2" in x else f for x, f in zip(images, one_hot(images), strict=True)]
    file = write_features(tmp_path / "f.parquet", images, features)
    (found,) = found_of(tmp_path, DatasetRequest("market1501", str(tmp_path / "market"), str(file)))
    counts = found.figures[0].counts
    assert counts["images without a feature"] == 1
    assert counts["queries"] == 2 and counts["queries without a match"] == 2


def test_without_matches_there_are_no_figures(tmp_path):
    images = market(tmp_path / "market")
    gone = ("0001_c2", "0002_c2", "0003_c2")
    features = [
        None if any(name in x for name in gone) else f
        for x, f in zip(images, one_hot(images), strict=True)
    ]
    file = write_features(tmp_path / "f.parquet", images, features)
    found = found_of(tmp_path, DatasetRequest("market1501", str(tmp_path / "market"), str(file)))
    (figure,) = found[0].figures
    assert math.isnan(figure.metrics["mAP"]) and "no query has a match" in figure.notes[0]
    assert rows(found)[0].ours is None and rows(found)[0].difference is None
    assert json.loads(to_json(found))["data_sets"][0]["figures"][0]["metrics"]["mAP"] is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda k, f: (k[1:], f[1:]),
            r"1 of 9 images of market1501 have no row here, .*query/0001",
        ),
        (lambda k, f: ([*k, k[0]], [*f, f[0]]), "some images of market1501 have several rows"),
        (lambda k, f: (k, [*f[1:], f[0][:3]]), "in 2 sizes"),
        (lambda k, f: (k, [None] * len(f)), "no image has a feature"),
        (lambda k, f: (k, [f[0] * np.nan, *f[1:]]), "1 of 4 query features are NaN"),
        (
            lambda k, f: (k, [None if "test" in x else y for x, y in zip(k, f, strict=True)]),
            "no image of the gallery has a feature",
        ),
    ],
)
def test_other_features_are_told(tmp_path, change, told):
    images = market(tmp_path / "market")
    keys, features = change(images, list(one_hot(images)))
    file = write_features(tmp_path / "f.parquet", keys, features)
    with pytest.raises(WebbodyError, match=told):
        found_of(tmp_path, DatasetRequest("market1501", str(tmp_path / "market"), str(file)))


def test_other_columns_and_other_files_are_told(tmp_path):
    pq.write_table(pa.table({"name": ["a"]}), tmp_path / "f.parquet")
    with pytest.raises(WebbodyError, match="in the columns key and feature, and it has"):
        read(str(tmp_path / "f.parquet"), ["a"], "market1501")
    (tmp_path / "f.parquet").write_bytes(b"PAR")
    with pytest.raises(WebbodyError, match=r"f\.parquet: cannot be read as Parquet"):
        read(str(tmp_path / "f.parquet"), ["a"], "market1501")


def test_halves_and_fixed_sizes_are_features_too(tmp_path):
    values = pa.array(np.arange(6, dtype=np.float16))
    feature = pa.FixedSizeListArray.from_arrays(values, 2, mask=pa.array([False, True, False]))
    pq.write_table(pa.table({"image": ["a", "b", "c"], "feature": feature}), tmp_path / "f.parquet")
    image_features = read(str(tmp_path / "f.parquet"), ["c", "b", "a"], "any")
    assert image_features.features_MF.tolist() == [[4, 5], [0, 1]]
    assert image_features.present_N.tolist() == [True, False, True] and image_features.missing == 1


def test_pairs_of_faces(tmp_path):
    same = write_pairs(tmp_path / "lfw.bin", 40)
    # The first image of a pair of strangers differs from the second.
    people = np.stack([np.where(same, 0, 1), np.zeros(40, int)], 1).ravel()
    features = list(np.eye(2, dtype=np.float32)[people])
    # With the last pair, one image of which has no feature.
    features[-1] = None
    file = write_features(tmp_path / "f.parquet", [str(n) for n in range(80)], features)
    for path in (tmp_path, tmp_path / "lfw.bin"):
        (found,) = found_of(tmp_path, DatasetRequest("lfw", str(path), str(file)))
        (figure,) = found.figures
        assert figure.metrics["accuracy"] == 1
        assert figure.counts == {"pairs": 39, "pairs without features": 1}
    assert rows([found])[0].sapiensid == 99.82


def test_ccvid_is_judged_by_frames_tracks_and_clips(tmp_path):
    keys = []
    for name in ("1_1", "2_1", "1_2", "2_2"):
        folder = tmp_path / "ccvid" / "session1" / f"00{name[0]}_0{name[2]}"
        folder.mkdir(parents=True)
        for number in range(20):
            (folder / f"{number:05}.jpg").touch()
            keys.append(f"session1/{folder.name}/{number:05}.jpg")
    line = "session1/00{0}_0{1}\t00{0}\tu0_l{1}\n"
    for name, camera in (("query", 1), ("gallery", 2)):
        text = "".join(line.format(person, camera) for person in (1, 2))
        (tmp_path / "ccvid" / f"{name}.txt").write_text(text)
    features = [np.eye(2, dtype=np.float32)[int(key[11]) - 1] for key in keys]
    file = write_features(tmp_path / "f.parquet", keys, features)
    (found,) = found_of(tmp_path, DatasetRequest("ccvid", str(tmp_path / "ccvid"), str(file)))
    by_name = {figure.name: figure for figure in found.figures}
    assert by_name["general"].counts["queries"] == 40
    assert by_name["general, tracks"].counts["queries"] == 2
    # A track of 20 frames has two clips.
    assert by_name["cloth-changing, clips"].counts["in the gallery"] == 4
    assert by_name["cloth-changing, clips"].metrics["mAP"] == 1
    assert math.isnan(by_name["same clothes"].metrics["mAP"])


def ticks(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_curves_are_drawn_to_scale():
    (roc,) = draw(Curve("ROC", np.array([0, 1e-4, 1e-2, 1]), np.array([0, 0.8, 0.9, 1]))).axes
    # Nothing is at zero of a logarithmic axis, and the other axis begins at 80 %.
    assert roc.lines[0].get_xydata().tolist() == [[1e-4, 0.8], [1e-2, 0.9], [1, 1]]
    assert roc.get_xscale() == "log" and roc.get_xlim() == (1e-4, 1)
    assert ticks(roc.xaxis) == ["0.0001", "0.001", "0.01", "0.1", "1"]
    assert ticks(roc.yaxis) == ["100%", "90%", "80%"] and roc.get_ylim() == (0.8, 1)
    (cmc,) = draw(Curve("CMC", np.arange(1.0, 12), np.linspace(0.5, 1, 11))).axes
    assert cmc.get_xlim() == (1, 11) and cmc.get_ylim() == (0.5, 1)
    assert ticks(cmc.xaxis) == ["1", "5", "10"]


@pytest.mark.parametrize("kind", ["CMC", "ROC"])
@pytest.mark.parametrize("values", [[], [1.0], [0.0, 0.0], [0.3, 0.9, 1.0]])
def test_a_curve_is_an_svg_element_of_its_own(kind, values):
    curve = Curve(kind, np.linspace(0, 1, len(values)) if kind == "ROC" else
                  np.arange(1.0, len(values) + 1), np.array(values))  # fmt: skip
    text = plot(curve)
    assert text == plot(curve)
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = " ".join(root.itertext())
    assert "rate" in words if kind == "ROC" else "rank" in words
    # In the page's own colours, and nothing of it comes from elsewhere.
    assert "stroke: var(--line)" in text and "fill: var(--soft)" in text
    assert not re.search("#[0-9a-f]{6}|<metadata|url\\(http|<image", text)


def test_averages_of_the_paper():
    assert paper_average("short-term").sapiensid.percent == pytest.approx(73.05, abs=0.005)
    assert paper_average("long-term").sapiensid.percent == pytest.approx(66.30, abs=0.01)
    assert paper_average("face").sapiensid.percent == pytest.approx(96.66, abs=0.02)
    best = paper_average("short-term").best_other
    assert (best.method, best.training) == ("SOLIDER", "LU4M+MSMT17")
    assert best.percent == pytest.approx(70.19, abs=0.005)


def test_every_average_is_of_our_figures():
    for dataset, figure, metric in chain.from_iterable(AVERAGES.values()):
        assert dataset in benchmarks.BENCHMARKS and paper(dataset, figure, metric).sapiensid
        assert dataset not in DATASETS or figure in DATASETS[dataset].figures


def test_names_are_taken_as_people_write_them(tmp_path):
    (tmp_path / "sets.yaml").write_text(
        "Celeb-reID: celeb\ncfp_fp:\n  path: /faces\n  features: made/f.parquet\n"
    )
    requests = read_requests(tmp_path / "sets.yaml", ["pose-scale=people", "celebreid=other"], [])
    assert requests == [
        DatasetRequest("celebreid", "other"),
        DatasetRequest("cfp_fp", "/faces", f"{tmp_path}/made/f.parquet"),
        DatasetRequest("pose_scale", "people"),
    ]


@pytest.mark.parametrize(
    ("datasets", "features", "told"),
    [
        (["market=x"], [], "market: there is no such data set; there are agedb_30, "),
        (["market1501"], [], "--dataset market1501: give NAME=PATH"),
        (["ltcc=x"], ["ltcc=none.parquet"], "there is no such file none.parquet"),
        (["ltcc=x"], ["prcc=f.parquet"], "prcc is not evaluated; give --dataset too"),
        (["ltcc=x", "prcc=x"], ["f.parquet"], "say of which data set"),
    ],
)
def test_other_options_are_told(datasets, features, told):
    with pytest.raises(WebbodyError, match=told):
        read_requests(None, datasets, features)


def test_other_data_files_are_told(tmp_path):
    (tmp_path / "sets.yaml").write_text("ltcc: {folder: x}\n")
    with pytest.raises(WebbodyError, match=r"sets.yaml: ltcc should have a path, or `path` and"):
        read_requests(tmp_path / "sets.yaml", [], [])
