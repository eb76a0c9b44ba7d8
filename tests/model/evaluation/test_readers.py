"""Readers of images against what the official preparation scripts make of the same trees."""

import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_golden import DATA

from model.evaluation.clips import frames_of_clips
from model.evaluation.readers.datasets import DATASETS
from model.evaluation.readers.image_table import SCHEMA
from model.evaluation.rules import Rule
from webbody.errors import WebbodyError

CASES = json.loads((DATA / "parse_seed0.json").read_text())
#: A folder whose name would pass for a picture's of most data sets.
TRICKY = "0007_1_c9_f1/-1_c3s5_1"


def touch(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def tree(root, name):
    """The tree of a case, with the files that its lists name."""
    case = CASES[name]
    root.mkdir(parents=True, exist_ok=True)
    for track, count in case.get("n_frames", {}).items():
        touch(root, [f"{track}/{number:05}.jpg" for number in range(1, count + 1)])
    touch(root, case.get("files") or [row[0] for row in case["rows"]])
    for file, text in case.get("list_files", {}).items():
        (root / file).write_text(text)
    return root, case


def rows_of(table):
    assert table.schema == SCHEMA
    columns = ("image", "person", "camera", "clothes", "role")
    return [list(row.values()) for row in table.select(columns).to_pylist()]


@pytest.mark.parametrize("name", sorted(set(CASES) & set(DATASETS) - {"ccda"}))
def test_the_official_rows(tmp_path, name):
    root, case = tree(tmp_path / TRICKY, name)
    found = rows_of(DATASETS[name].read(str(root)))
    assert sorted(found) == sorted(case["rows"])
    assert {rule.query for rule in DATASETS[name].figures.values()} <= {row[4] for row in found}


def test_ccda_keeps_the_numbers_of_its_people(tmp_path):
    root, case = tree(tmp_path / TRICKY, "ccda")
    found = sorted(rows_of(DATASETS["ccda"].read(str(root))))
    official = sorted(case["rows"])
    assert [(r[0], r[2], r[4]) for r in found] == [(r[0], r[2], r[4]) for r in official]
    pairs = {(ours[1], theirs[1]) for ours, theirs in zip(found, official, strict=True)}
    assert len(pairs) == len({ours for ours, _ in pairs}) == len({theirs for _, theirs in pairs})


def test_ccvid(tmp_path):
    root, case = tree(tmp_path / TRICKY, "ccvid_image")
    table = DATASETS["ccvid"].read(str(root))
    found = rows_of(table)
    for role in ("query", "gallery"):
        own = [row for row in found if row[4] == role]
        # The golden rows are every fifth.
        assert own[::5] == [row for row in case["rows"] if row[4] == role]
        assert len(own) == case["extra"][f"n_{role}"]
    tracks = table["track"].to_numpy()
    assert sorted(np.bincount(tracks)) == sorted(
        count
        for track, count in case["n_frames"].items()
        if track in case["list_files"]["query.txt"] + case["list_files"]["gallery.txt"]
    )
    frames, clips = frames_of_clips(tracks)
    assert len(clips) == len(frames) == 16 * (clips.max() + 1)
    assert set(frames) == set(range(len(tracks)))
    # A clip is of one track.
    assert len(set(zip(clips, tracks[frames], strict=True))) == clips.max() + 1
    assert [len(part) for part in frames_of_clips(tracks[:0])] == [0, 0]


def test_tinyface(tmp_path):
    touch(
        tmp_path / "tinyface/Testing_Set",
        ["Probe/37_1.jpg", "Gallery_Match/37_8.jpg", "Gallery_Distractor/x_9.jpg"],
    )
    table = DATASETS["tinyface"].read(str(tmp_path))
    assert [row[:2] for row in rows_of(table)] == [
        ["Probe/37_1.jpg", 37],
        ["Gallery_Match/37_8.jpg", 37],
        ["Gallery_Distractor/x_9.jpg", -100],
    ]


def test_a_folder_around_the_data_set_will_do(tmp_path):
    inside = {
        "ltcc": "LTCC_ReID",
        "prcc": "prcc/rgb/test",
        "msmt17": "MSMT17_V1",
        "deepchange": "DeepChange",
    }
    for name, folder in inside.items():
        root, _ = tree(tmp_path / name / folder, name)
        read = DATASETS[name].read
        table = read(str(root))
        while root != tmp_path / name:
            root = root.parent
            assert read(str(root)).equals(table)


def test_hidden_files_are_no_images(tmp_path):
    root, case = tree(tmp_path, "market1501")
    touch(root, ["query/._0005_c5s5_102534_01.jpg", "query/Thumbs.db"])
    touch(root, ["query/@eaDir/0005_c5s5_102534_01.jpg", "query/.x/0005_c5s5_102534_01.jpg"])
    assert len(DATASETS["market1501"].read(str(root))) == len(case["rows"])


def test_linked_folders_are_read(tmp_path):
    root, case = tree(tmp_path, "market1501")
    (root / "query").rename(tmp_path / "elsewhere")
    (root / "query").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/loop").symlink_to(root)
    assert len(DATASETS["market1501"].read(str(root))) == len(case["rows"])
    (root / "query/0005_c5s5_999999_01.jpg").symlink_to("nowhere")
    with pytest.raises(WebbodyError, match=r"_01\.jpg is a link that leads nowhere"):
        DATASETS["market1501"].read(str(root))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_are_read_however_they_are_encoded(tmp_path, encoding):
    root, _ = tree(tmp_path, "msmt17")
    before = DATASETS["msmt17"].read(str(root))
    for name in ("list_query.txt", "list_gallery.txt"):
        text = (root / name).read_text().replace("\n", "\r\n")
        (root / name).write_bytes(text.encode(encoding))
    assert DATASETS["msmt17"].read(str(root)).equals(before)
    (root / "list_query.txt").write_bytes(b"\xe9.jpg 0\n")
    with pytest.raises(WebbodyError, match=r"list_query\.txt, line 1: is not UTF-8 text"):
        DATASETS["msmt17"].read(str(root))


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"webbody_test", "pose_scale"}))
def test_missing_folders_are_told(tmp_path, name):
    with pytest.raises(WebbodyError, match=r"should be here .*give the folder as it was unpack"):
        DATASETS[name].read(str(tmp_path))
    with pytest.raises(WebbodyError, match=f"{tmp_path}/none: there is no such folder"):
        DATASETS[name].read(f"{tmp_path}/none")


@pytest.mark.parametrize(
    ("name", "file", "text", "told"),
    [
        (
            "market1501",
            "query/person.jpg",
            "",
            "person.jpg is not named as it should be, such as 0",
        ),
        ("msmt17", "list_query.txt", "", "list_query.txt: the list is empty"),
        ("msmt17", "list_query.txt", "a.jpg\n", "line 1 is 'a.jpg', which has not the 2 fields"),
        ("msmt17", "list_query.txt", "a.jpg 0\n", "a.jpg is not named as it should"),
        ("msmt17", "list_query.txt", "0_0_1_0.jpg x\n", "'x' should be a whole number"),
        ("msmt17", "list_query.txt", "0_0_1_0.jpg 0\n", r"1 of \d+ images that a list names"),
        ("ccvid_image", "query.txt", "s/1_1\t1\tu\n", "s/1_1 is no track such as"),
        ("ccvid_image", "query.txt", "session1/9_1\t9\tu\n", "9_1: there are no .jpg images here"),
        ("deepchange", "test-set-query-bbox.txt", "a.jpg,1\n", "a.jpg is not named as it should"),
        ("deepchange", "test-set-query-bbox.txt", "P1_C1_2_3.jpg,1\n", "the first is test-set-que"),
    ],
)
def test_other_names_and_lists_are_told(tmp_path, name, file, text, told):
    root, _ = tree(tmp_path, name)
    (root / file).write_text(text)
    with pytest.raises(WebbodyError, match=told):
        DATASETS[name.removesuffix("_image")].read(str(root))


def test_an_empty_folder_is_told(tmp_path):
    for part in ("query", "bounding_box_test"):
        (tmp_path / part).mkdir()
    with pytest.raises(WebbodyError, match=r"query: there are no \.jpg images here"):
        DATASETS["market1501"].read(str(tmp_path))


def test_every_figure_has_a_rule():
    rules = {figure.rule for entry in DATASETS.values() for figure in entry.figures.values()}
    assert rules == set(Rule.__args__)


def test_the_paths_of_a_table_lead_to_the_images(tmp_path):
    root, _ = tree(tmp_path, "occluded_reid")
    table = DATASETS["occluded_reid"].read(str(root))
    assert all((Path(root) / image).is_file() for image in table["image"].to_pylist())
