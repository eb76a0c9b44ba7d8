"""IJB-B, IJB-C and IJB-S with features to figures."""

import numpy as np
import pytest
from evaluated_trees import figures_of, write_ijb, write_texts

from pipelines.detection.subject import whole_pictures
from pipelines.evaluate.benchmarks import read
from pipelines.evaluate.images.subject_cache import SubjectCache
from pipelines.evaluate.report.tables import rows
from webbody.errors import WebbodyError

#: Each image's template, media and score; templates 10 and 20 are of one person, 30 of another.
FACES = {
    "1.jpg": (10, 7, 0.9), "2.jpg": (10, 8, 0.1), "3.jpg": (20, 9, 0.5), "4.jpg": (30, 9, 0.5),
}  # fmt: skip
PAIRS = "10 20 1\n10 30 0\n20 30 0\n"


@pytest.mark.parametrize(
    ("name", "figure", "sapiensid", "other"),
    [("ijbb", "loose crops", 94.3, 93.26), ("ijbb_aligned", "aligned", 95.07, 95.92)],
)
@pytest.mark.parametrize("inside", ["", "IJBB"])
def test_templates_weigh_images_by_their_scores(tmp_path, inside, name, figure, sapiensid, other):
    write_ijb(tmp_path / name / inside, FACES, PAIRS)
    # The good image of template 10 looks as template 20, the bad one as template 30. Lengths of
    # features do not matter.
    features = {"1.jpg": [1, 0], "2.jpg": [0, 9], "3.jpg": [3, 0], "4.jpg": [0, 1]}
    named = {f"loose_crop/{face}": np.float32(value) for face, value in features.items()}
    found = figures_of(tmp_path, name, named)
    (pairs,) = found[0].figures
    assert pairs.name == figure
    assert set(pairs.metrics.values()) == {1} and len(pairs.metrics) == 6
    assert pairs.counts["pairs of two"] == 2
    assert pairs.notes == [
        "2 negatives are too few for a FAR of 1e-06, 1e-05, 1e-04, 1e-03, 1e-02, 1e-01",
        "nobody is searched in a gallery (1:N), as meta has no ijbb_1N_gallery_S1.csv, "
        "ijbb_1N_gallery_S2.csv, ijbb_1N_probe_mixed.csv",
    ]
    (row,) = rows(found)
    assert (row.metric, row.ours) == ("TAR@FAR=1e-04", 100)
    assert (row.sapiensid, row.best_other) == (sapiensid, other)
    # Without its good image the template is taken for the other's.
    named["loose_crop/1.jpg"] = None
    (pairs,) = figures_of(tmp_path, name, named)[0].figures
    assert pairs.metrics["TAR@FAR=1e-04"] == 0 and pairs.counts["images without a feature"] == 1


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
    write_texts(tmp_path / "ijbs", lists | {f"crops/{crop}": "" for crop in crops})
    # The longer of the first person's two features decides.
    values = [[3, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0.6, 0.8], [1, 0, 0], [0, 1, 0]]
    features = dict(zip(crops, map(np.float32, values), strict=True))
    found = figures_of(tmp_path, "ijbs", features)
    by_name = {figure.name: figure for figure in found[0].figures}
    single = by_name["surveillance to single"]
    assert single.metrics["top1"] == 1 and single.counts["probes"] == 2
    # The third person is in no gallery, the others each in one half.
    assert single.counts["probes without a match"] == 1 and single.counts["in the gallery"] == 2
    assert single.metrics["TPIR@FPIR=0.1"] == 1
    assert by_name["UAV to booking"].counts["probes"] == 1
    sapiensid = {(row.figure, row.metric): row.sapiensid for row in rows(found)}
    assert sapiensid["surveillance to single", "top5"] == 80.0
    features["8/img_8.jpg"] = None
    single = figures_of(tmp_path, "ijbs", features)[0].figures[0]
    assert single.metrics["top1"] == 0.5 and single.counts["images without a feature"] == 1


@pytest.mark.parametrize("name", ["ijbb", "ijbb_aligned"])
def test_crops_that_are_missing_are_told(tmp_path, name):
    write_ijb(tmp_path, FACES, PAIRS)
    for face in ("2.jpg", "3.jpg", "4.jpg"):
        (tmp_path / "loose_crop" / face).unlink()
    task = read(name, str(tmp_path))
    with pytest.raises(
        WebbodyError, match=r"3 of 4 images that its lists name are missing, .*2\.jpg"
    ):
        task.source().units(SubjectCache(whole_pictures(384), 384, 10**6))


@pytest.mark.parametrize("name", ["ijbc", "ijbc_aligned"])
def test_another_data_set_is_told(tmp_path, name):
    with pytest.raises(WebbodyError, match=r"loose_crop, meta should be here"):
        read(name, str(tmp_path))
    write_ijb(tmp_path, FACES, PAIRS)
    with pytest.raises(WebbodyError, match=r"the lists here are those of ijbb, not ijbc"):
        read(name, str(tmp_path))
