"""IJB-B, IJB-C and IJB-S with features to figures."""

import numpy as np
import pytest
from evaluated_trees import write_features

from model.evaluation.errors import EvaluationError
from pipelines.evaluate.benchmarks import read
from pipelines.evaluate.run import evaluate
from pipelines.evaluate.tables import rows
from pipelines.evaluate.wanted import Wanted
from webbody.config import BuildConfig
from webbody.errors import WebbodyError

#: Each image's template and media; templates 10 and 20 are of one person, 30 of another.
FACES = {"1.jpg": (10, 7), "2.jpg": (10, 8), "3.jpg": (20, 9), "4.jpg": (30, 9)}
SCORES = {"1.jpg": 0.9, "2.jpg": 0.1, "3.jpg": 0.5, "4.jpg": 0.5}


def figures_of(tmp_path, name, features):
    file = write_features(tmp_path / "f.parquet", list(features), list(features.values()))

    def no_model():
        raise AssertionError("features are given")

    wanted = [Wanted(name, str(tmp_path / name), str(file))]
    return evaluate(wanted, no_model, BuildConfig(), str(tmp_path / "cache"))


def write(root, texts):
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize("inside", ["", "IJBB/"])
def test_templates_weigh_images_by_their_scores(tmp_path, inside):
    landmarks = " ".join(["0"] * 10)
    write(
        tmp_path / "ijbb",
        {
            f"{inside}loose_crop/1.jpg": "",
            f"{inside}meta/ijbb_name_5pts_score.txt": "".join(
                f"{name} {landmarks} {score}\n" for name, score in SCORES.items()
            ),
            f"{inside}meta/ijbb_face_tid_mid.txt": "".join(
                f"{name} {template} {media}\n" for name, (template, media) in FACES.items()
            ),
            f"{inside}meta/ijbb_template_pair_label.txt": "10 20 1\n10 30 0\n20 30 0\n",
        },
    )
    # The good image of template 10 looks as template 20, the bad one as template 30. Lengths of
    # features do not matter.
    features = {"1.jpg": [1, 0], "2.jpg": [0, 9], "3.jpg": [3, 0], "4.jpg": [0, 1]}
    named = {f"loose_crop/{name}": np.float32(value) for name, value in features.items()}
    found = figures_of(tmp_path, "ijbb", named)
    (figure,) = found[0].figures
    assert set(figure.metrics.values()) == {1} and len(figure.metrics) == 6
    assert figure.counts["pairs of two"] == 2
    assert figure.notes == [
        "2 negatives are too few for a FAR of 1e-06, 1e-05, 1e-04, 1e-03, 1e-02, 1e-01"
    ]
    (row,) = rows(found)
    assert (row.metric, row.ours, row.sapiensid) == ("TAR@FAR=1e-04", 100, 94.3)
    # Without its good image the template is taken for the other's.
    named["loose_crop/1.jpg"] = None
    (figure,) = figures_of(tmp_path, "ijbb", named)[0].figures
    assert figure.metrics["TAR@FAR=1e-04"] == 0 and figure.counts["images without a feature"] == 1


def test_surveillance(tmp_path):
    gallery = "TEMPLATE,SUBJECT_ID,FILENAME\n1,{0},img/{0}.jpg\n"
    videos = {7: "videos/1.mp4", 8: "videos/2.mp4", 9: "videos/3.mp4"}
    lists = {
        "cs6_metadata.csv": "S,F\n" + "".join(f"{p},{v}\n" for p, v in videos.items()),
        "cs6_surveillance_to_single-booking_probe.csv": "F\n" + "\n".join(videos.values()),
        "cs6_uav_to_single-booking_probe.csv": f"F\n{videos[8]}\n",
        **{
            f"galleries/cs6_surveillance_to_{kind}_g{half}.csv": gallery.format(6 + half)
            for kind in ("single", "booking")
            for half in (1, 2)
        },
    }
    crops = ["7/videos_1_1.jpg", "7/videos_1_2.jpg", "8/videos_2_1.jpg", "9/videos_3_1.jpg",
             "7/img_7.jpg", "8/img_8.jpg"]  # fmt: skip
    write(tmp_path / "ijbs", lists | {f"crops/{crop}": "" for crop in crops})
    # The longer of the first person's two features decides.
    values = [[3, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0.6, 0.8], [1, 0, 0], [0, 1, 0]]
    features = dict(zip(crops, map(np.float32, values), strict=True))
    found = figures_of(tmp_path, "ijbs", features)
    by_name = {figure.name: figure for figure in found[0].figures}
    single = by_name["surveillance to single"]
    assert single.metrics["top1"] == 1 and single.counts["probes"] == 2
    # The third person is in no gallery, the others each in one half.
    assert single.counts["probes without a match"] == 1 and single.counts["gallery"] == 2
    assert single.metrics["TPIR@FPIR=0.1"] == 1
    assert by_name["UAV to booking"].counts["probes"] == 1
    sapiensid = {(row.figure, row.metric): row.sapiensid for row in rows(found)}
    assert sapiensid["surveillance to single", "top5"] == 80.0
    features["8/img_8.jpg"] = None
    single = figures_of(tmp_path, "ijbs", features)[0].figures[0]
    assert single.metrics["top1"] == 0.5 and single.counts["images without a feature"] == 1


def test_crops_that_are_missing_are_told(tmp_path):
    test_templates_weigh_images_by_their_scores(tmp_path, "")
    task = read("ijbb", str(tmp_path / "ijbb"))
    with pytest.raises(
        EvaluationError, match=r"3 of 4 images that its lists name are missing, .*2\.jpg"
    ):
        task.parts(lambda: None, 384, 10**6)
    with pytest.raises(WebbodyError, match=r"ijbc: .*loose_crop, meta should be here"):
        read("ijbc", str(tmp_path))
