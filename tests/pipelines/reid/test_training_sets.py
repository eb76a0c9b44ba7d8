"""The training parts of data sets: trees as the data sets unpack, with a test part beside each."""

import re

import pytest

from model.evaluation.readers.image_table import SCHEMA, root_of
from pipelines.reid.training_sets import TRAINING_SETS, read_training
from webbody.errors import WebbodyError

#: Of each data set: where it unpacks to, images of its training part with their people, files of
#: its other parts, and lists.
TREES = {
    "market1501": (
        "Market-1501-v15.09.15",
        {
            "bounding_box_train/0002_c1s1_000451_03.jpg": 2,
            "bounding_box_train/0007_c3s3_077419_03.jpg": 7,
        },
        [
            "bounding_box_test/0001_c1s1_001051_00.jpg",
            "query/0001_c1s1_001051_00.jpg",
            "bounding_box_train/-1_c1s1_000401_03.jpg",
        ],
        {},
    ),
    "ltcc": (
        "LTCC_ReID",
        {"train/003_2_c5_015833.png": 3, "train/021_1_c11_000001.png": 21},
        ["test/000_1_c1_000001.png", "query/000_1_c2_000001.png"],
        {},
    ),
    "prcc": (
        "prcc/rgb",
        {"train/001/A_cropped_rgb093.jpg": 1, "train/004/C_cropped_rgb001.jpg": 4},
        ["test/A/012/cropped_rgb093.jpg", "test/C/012/cropped_rgb001.jpg", "val/002/A_c1.jpg"],
        {},
    ),
    "ccda": ("CCDA", {"train/21_15_0.jpg": 21, "train/9_1_0.jpg": 9}, ["query/119_15_0.jpg"], {}),
    "celebreid": (
        "Celeb-reID",
        {"train/21_25_0.jpg": 21, "train/1_3_0.jpg": 1},
        ["query/119_25_0.jpg", "gallery/119_2_0.jpg"],
        {},
    ),
    "ccvid": (
        "CCVID",
        {
            "session1/012_11/00001.jpg": 12,
            "session1/012_11/00002.jpg": 12,
            "session2/065_05/00001.jpg": 65,
        },
        ["session1/054_02/00001.jpg"],
        {
            "train.txt": "session1/012_11\t012\tu1_l1_s0_c1_a0\n"
            "session2/065_05\t065\tu0_l0_s0_c0_a0\n",
            "query.txt": "session1/054_02\t054\tu0_l0_s0_c0_a0\n",
        },
    ),
    "deepchange": (
        "DeepChange",
        {
            "train-set/P8_C4_20200915_0822_36_3211.jpg": 8,
            "train-set/P1_C3_20201121_0934_43_1936.jpg": 1,
        },
        ["test-set-query/P4_C1_20201121_1525_1_8631.jpg", "val-set-query/P2_C1_20200915_1_2_3.jpg"],
        {
            "train-set-bbox.txt": "P8_C4_20200915_0822_36_3211.jpg,1\n"
            "P1_C3_20201121_0934_43_1936.jpg,2\n",
            "test-set-query-bbox.txt": "P4_C1_20201121_1525_1_8631.jpg,4\n",
        },
    ),
    "msmt17": (
        "MSMT17_V1",
        {
            "train/0000/0000_000_01_0303morning_0008_0.jpg": 0,
            "train/0001/0001_000_10_0303noon_0008_0.jpg": 1,
        },
        ["test/0000/0000_069_10_0303morning_0039_5.jpg"],
        {
            "list_train.txt": "0000/0000_000_01_0303morning_0008_0.jpg 0\n"
            "0001/0001_000_10_0303noon_0008_0.jpg 1\n",
            "list_query.txt": "0000/0000_069_10_0303morning_0039_5.jpg 0\n",
        },
    ),
    "cuhk03": (
        "cuhk03-np/detected",
        {"bounding_box_train/0003_c1_21.png": 3, "bounding_box_train/0003_c2_355.jpg": 3},
        ["bounding_box_test/0001_c1_1.png", "query/0001_c2_8.png"],
        {},
    ),
    "last": (
        "last",
        {"train/000001/000001_01_01.jpg": 1, "train/000027/000027_04_02.jpg": 27},
        ["test/query/000002_1.jpg", "test/gallery/000002/000002_1.jpg"],
        {},
    ),
    "luperson_nl": (
        "lup-nl",
        {
            "China/Beijing/0a-_xyz/000012_0000345_01.jpg": 12,
            "Italy/Rome/0007_c1/000012_0000017_00.jpg": 12,
            "Italy/Rome/0007_c1/1000000_0000017_03.jpg": 1_000_000,
        },
        [],
        {},
    ),
}


def grow(root, name):
    inside, images, others, lists = TREES[name]
    top = root / inside
    for image in [*images, *others]:
        (top / image).parent.mkdir(parents=True, exist_ok=True)
        (top / image).touch()
    for file, text in lists.items():
        (top / file).write_text(text)
    return top, images


def test_every_training_set_has_a_tree_here():
    assert set(TREES) == set(TRAINING_SETS)


@pytest.mark.parametrize("name", TREES)
def test_the_training_part_alone_is_read(tmp_path, name):
    top, images = grow(tmp_path, name)
    table = read_training(name, str(top))
    assert table.schema == SCHEMA and root_of(table) == str(top)
    rows = table.to_pylist()
    assert {row["image"]: row["person"] for row in rows} == images and len(rows) == len(images)
    assert {row["role"] for row in rows} == {"train"}
    # The folder around it will do as well.
    while top != tmp_path:
        top = top.parent
        assert read_training(name, str(top)).equals(table)


@pytest.mark.parametrize("name", TREES)
def test_what_was_expected_where_is_told(tmp_path, name):
    with pytest.raises(WebbodyError, match=f"^{name}: .*none: there is no such folder"):
        read_training(name, f"{tmp_path}/none")
    told = r"should be here|there are no \.jpg images here"
    with pytest.raises(WebbodyError, match=f"^{name}: {re.escape(str(tmp_path))}.*({told})"):
        read_training(name, str(tmp_path))


@pytest.mark.parametrize("name", sorted(set(TREES) - {"ccvid", "deepchange", "msmt17"}))
def test_another_data_set_is_told(tmp_path, name):
    top, images = grow(tmp_path, name)
    first = next(iter(images))
    folder = first.split("/")[0]
    (top / folder / f"someone{first[-4:]}").touch()
    with pytest.raises(WebbodyError, match=r"someone.* is not named as it should be, such as "):
        read_training(name, str(top))


def test_keys_of_an_unpacked_lmdb_are_not_taken_for_names(tmp_path):
    # LUPerson-NL's LMDB puts the video's number first: read as a person it would label videos.
    (tmp_path / "00001_000012_0000345_01.jpg").touch()
    with pytest.raises(WebbodyError, match="is not named as it should be"):
        read_training("luperson_nl", str(tmp_path))


def test_boxes_drawn_by_hand_are_chosen_by_their_folder(tmp_path):
    grow(tmp_path, "cuhk03")
    labeled = tmp_path / "cuhk03-np/labeled/bounding_box_train"
    labeled.mkdir(parents=True)
    (labeled / "0009_c1_1.png").touch()
    assert read_training("cuhk03", str(labeled.parent))["person"].to_pylist() == [9]
    assert read_training("cuhk03", str(tmp_path))["person"].to_pylist() == [3, 3]
