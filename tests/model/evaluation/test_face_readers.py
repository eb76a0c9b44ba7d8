"""Readers of face benchmarks: .bin files of pairs, IJB-B and IJB-C, IJB-S."""

import pickle

import numpy as np
import pytest

from model.evaluation.readers.ijb import read_ijb
from model.evaluation.readers.ijbs import read_ijbs
from model.evaluation.readers.pairs_bin import read_pairs
from webbody.errors import WebbodyError

IMAGES = [b"\xff\xd8one", b"\xff\xd8two", b"three", b"four"]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", [tuple, list])
def test_pairs(tmp_path, protocol, kind):
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(kind((IMAGES, [True, False])), protocol))
    pairs = read_pairs(path)
    assert pairs.images == IMAGES and pairs.same.tolist() == [True, False]


def test_pairs_written_by_python_2(tmp_path):
    path = tmp_path / "lfw.bin"
    # A tuple of a list of two str, which there are bytes, and of a list of one bool.
    path.write_bytes(b"\x80\x02]q\x00(U\x03\xff\xd8aq\x01U\x01bq\x02e]q\x03\x88a\x86q\x04.")
    pairs = read_pairs(path)
    assert pairs.images == [b"\xff\xd8a", b"b"] and pairs.same.tolist() == [True]


class Evil:
    def __reduce__(self):
        return (open, ("evil", "w"))


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("held", [(IMAGES, [Evil()]), Evil(), np.zeros(2)])
def test_no_object_is_unpickled(tmp_path, monkeypatch, held, protocol):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.bin").write_bytes(pickle.dumps(held, protocol))
    with pytest.raises(WebbodyError, match=r"it holds an object of .*, which is not read"):
        read_pairs("bad.bin")
    assert not (tmp_path / "evil").exists()


def test_the_one_function_that_is_called_writes_bytes_alone(tmp_path):
    path = tmp_path / "bad.bin"
    path.write_bytes(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.")
    with pytest.raises(WebbodyError, match="asks for the encoding 'zip'"):
        read_pairs(path)
    # Sets an attribute of the function.
    path.write_bytes(b"\x80\x02c_codecs\nencode\nN}X\x01\x00\x00\x00aK\x01s\x86b.")
    with pytest.raises(WebbodyError, match="has no attribute 'a'"):
        read_pairs(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no such file"),
        (b"", "is no .bin file of pairs"),
        (pickle.dumps((IMAGES, [True, False]))[:-9], "is no .bin file of pairs"),
        (b"\xff\xd8 a picture", "is no .bin file of pairs"),
        (pickle.dumps(5), "holds no list of images"),
        (pickle.dumps((IMAGES, 5)), "holds no list of images"),
        (pickle.dumps((IMAGES, [True])), "4 images for 1 pairs"),
        (pickle.dumps(([], [])), "0 images for 0 pairs"),
        (pickle.dumps((["a", "b"], [True])), "something else than encoded images"),
        (pickle.dumps((IMAGES, [True, 7])), "something else than encoded images"),
        (pickle.dumps((IMAGES, [[], True])), "something else than encoded images"),
    ],
    ids=range(11),
)
def test_other_files_are_told(tmp_path, content, told):
    path = tmp_path / "lfw.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WebbodyError, match=told):
        read_pairs(path)


FACES = "".join(f"{n}.jpg {' '.join(str(n + k) for k in range(10))} 0.{n}\n" for n in (1, 2, 3))
NUMBERS = "1.jpg 10 7\n2.jpg 10 8\n3.jpg 20 9\n"


def ijb(root, name, **lists):
    (root / "meta").mkdir()
    (root / "loose_crop").mkdir()
    written = {
        "name_5pts_score": FACES,
        "face_tid_mid": NUMBERS,
        "template_pair_label": "10 20 0\n20 20 1\n",
        **lists,
    }
    for kind, text in written.items():
        if text is not None:
            (root / f"meta/{name}_{kind}.txt").write_text(text)
    return root


@pytest.mark.parametrize("name", ["ijbb", "ijbc"])
def test_ijb(tmp_path, name):
    found = read_ijb(ijb(tmp_path, name))
    assert found.images["image"].to_pylist() == [f"loose_crop/{n}.jpg" for n in (1, 2, 3)]
    assert found.images["template"].to_pylist() == [10, 10, 20]
    assert found.images["media"].to_pylist() == [7, 8, 9]
    np.testing.assert_allclose(found.images["score"], [0.1, 0.2, 0.3], rtol=1e-6)
    assert found.images["landmarks"][2].as_py() == list(range(3, 13))
    assert (found.first.tolist(), found.second.tolist()) == ([10, 20], [20, 20])
    assert found.same.tolist() == [False, True]
    half = {"ijbb": "S", "ijbc": "G"}[name]
    assert found.name == name and found.search is None
    assert found.missing == [
        f"{name}_1N_gallery_{half}1.csv", f"{name}_1N_gallery_{half}2.csv",
        f"{name}_1N_probe_mixed.csv",
    ]  # fmt: skip


#: One-against-many; templates stand there once for each image, and other fields follow.
SEARCH = {
    "gallery_{}1": "TEMPLATE_ID,SUBJECT_ID,FILENAME\n10,1,img/1.png\n10,1,img/2.png\n",
    "gallery_{}2": "TEMPLATE_ID,SUBJECT_ID\r\n30, 2\r\n",
    "probe_mixed": 'TEMPLATE_ID,SUBJECT_ID,FILENAME\n20,1,a b\n40,2,c\n20,1,"d\n40,2,caf\xe9\n',
}
MORE_FACES = FACES + "".join(f"{n}.jpg {'0 ' * 10}0.5\n" for n in (4, 5))
MORE_NUMBERS = NUMBERS + "4.jpg 30 9\n5.jpg 40 9\n"


def search(root, name, **lists):
    """IJB with lists of one-against-many, each given by the beginning of its name."""
    ijb(root, name, name_5pts_score=MORE_FACES, face_tid_mid=MORE_NUMBERS)
    for kind, text in {**SEARCH, **lists}.items():
        if text is not None:
            file = f"{name}_1N_{kind.format({'ijbb': 'S', 'ijbc': 'G'}[name])}.csv"
            (root / "meta" / file).write_bytes(text.encode("latin-1"))
    return root


@pytest.mark.parametrize("name", ["ijbb", "ijbc"])
def test_templates_of_one_against_many_count_once(tmp_path, name):
    found = read_ijb(search(tmp_path, name))
    assert found.missing == []
    rows = [tuple(row.values()) for row in found.search.to_pylist()]
    assert sorted(rows) == [
        (10, 1, "gallery_1"), (20, 1, "probe"), (30, 2, "gallery_2"), (40, 2, "probe"),
    ]  # fmt: skip


def test_a_list_of_one_against_many_may_be_missing(tmp_path):
    found = read_ijb(search(tmp_path, "ijbc", **{"gallery_{}2": None}))
    assert found.search is None and found.missing == ["ijbc_1N_gallery_G2.csv"]


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("probe_mixed", "T,S\n20,1\n20,one\n", r"probe_mixed.csv: .* Row #3: .* value 'one'"),
        ("probe_mixed", "T,S,F\n20,1,a\n20,1", r"Row #3: Expected 3 columns, got 2"),
        ("probe_mixed", "T,S\n20,1\n20,\n", r"Row #3: .* invalid value ''"),
        ("probe_mixed", "T,S\n20,1.0\n", r"Row #2: .* invalid value '1.0'"),
        ("probe_mixed", "T,S\n", r"probe_mixed.csv: .* separated by commas \(.*[Ee]mpty"),
        ("probe_mixed", "", r"probe_mixed.csv: .* separated by commas \(.*[Ee]mpty"),
        ("probe_mixed", "T\n20\n", r"probe_mixed.csv: .* 'f1'"),
        ("probe_mixed", "20,1\n40,2\n", r"line 1 should be a heading, and it is 20,1"),
        ("probe_mixed", "T,S\n20,1\n50,2\n", r"_mixed.csv: line 3: template 50 has no images"),
        ("gallery_{}2", "T,S\n30,2\n30,3\n", r"S2.csv: line 3: template 30 is of subject 3, .* 2"),
        ("gallery_{}2", "T,S\n30,2\n10,7\n", r"S2.csv: line 3: template 10 is of subject 7, .* 1"),
    ],
)
def test_damaged_lists_of_one_against_many_are_told(tmp_path, kind, text, told):
    with pytest.raises(WebbodyError, match=told):
        read_ijb(search(tmp_path, "ijbb", **{kind: text}))


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ({"name_5pts_score": None}, "ijbb_name_5pts_score.txt: there is no such file"),
        ({"face_tid_mid": "1.jpg 10\n"}, "lines should be image template media, separated by"),
        ({"face_tid_mid": "1.jpg 10 x\n"}, "lines should be image template media"),
        ({"face_tid_mid": "2.jpg 10 7\n1.jpg 10 8\n3.jpg 20 9\n"}, "name different images"),
        ({"template_pair_label": "10 30 0\n"}, "template 30 has no images"),
        ({"template_pair_label": ""}, "lines should be first second same"),
    ],
)
def test_other_lists_of_ijb_are_told(tmp_path, lists, told):
    with pytest.raises(WebbodyError, match=told):
        read_ijb(ijb(tmp_path, "ijbb", **lists))


def test_a_folder_without_lists_of_ijb_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="no lists ijbb"):
        read_ijb(ijb(tmp_path, "ijbd"))


GALLERY = "TEMPLATE,SUBJECT_ID,FILENAME\n1,{0},img/{0}.jpg\n2,{0},img/{0}0.jpg\n"
IJBS = {
    "cs6_metadata.csv": "SUBJECT_ID,FILENAME,X\n7,videos/4012.mp4,1\n8,videos/4012.mp4,1\n"
    "7,videos/4012.mp4,2\n9,videos/5.mp4,1\n9,img/55.jpg,1\n7,img/55.jpg,1\n",
    "cs6_surveillance_to_single-booking_probe.csv": "FILENAME\nvideos/4012.mp4\n",
    "cs6_uav_to_single-booking_probe.csv": "FILENAME\nvideos/5.mp4\nimg/55.jpg\n",
    "galleries/cs6_surveillance_to_single_g1.csv": GALLERY.format(7),
    "galleries/cs6_surveillance_to_single_g2.csv": GALLERY.format(8),
    "galleries/cs6_surveillance_to_booking_g1.csv": GALLERY.format(7),
    "galleries/cs6_surveillance_to_booking_g2.csv": GALLERY.format(8),
}


def ijbs(root, **lists):
    crops = ("7/videos_4012_1.jpg", "7/videos_4012_9.jpg", "7/img_7.jpg", "7/img_70.jpg")
    for name, text in {**IJBS, **lists, **{f"crops/{name}": "" for name in crops}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_ijbs(tmp_path):
    table = read_ijbs(ijbs(tmp_path))
    rows = [tuple(row.values()) for row in table.to_pylist()]
    assert rows == [
        ("7/videos_4012_1.jpg", 0, 7, "surveillance"),
        ("7/videos_4012_9.jpg", 0, 7, "surveillance"),
        (None, 1, 8, "surveillance"),
        (None, 2, 9, "uav"),
        (None, 3, 9, "uav"),
        ("7/img_7.jpg", 4, 7, "single_g1"),
        ("7/img_70.jpg", 5, 7, "single_g1"),
        (None, 6, 8, "single_g2"),
        (None, 7, 8, "single_g2"),
        ("7/img_7.jpg", 8, 7, "booking_g1"),
        ("7/img_70.jpg", 8, 7, "booking_g1"),
        (None, 9, 8, "booking_g2"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("cs6_uav_to_single-booking_probe.csv", "F\nvideos/6.mp4\n", "6.mp4 is not in cs6_meta"),
        ("cs6_metadata.csv", "A,B\nx,y\n", "'x' should be a whole number"),
        ("galleries/cs6_surveillance_to_single_g1.csv", "A,B\n1,2\n", "has not the 3 fields"),
        ("crops/people/img_1.jpg", "", "'people' should be a whole number"),
    ],
)
def test_other_lists_of_ijbs_are_told(tmp_path, name, text, told):
    with pytest.raises(WebbodyError, match=told):
        read_ijbs(ijbs(tmp_path, **{name: text}))


def test_missing_lists_of_ijbs_are_told(tmp_path):
    (ijbs(tmp_path) / "galleries/cs6_surveillance_to_booking_g2.csv").unlink()
    with pytest.raises(WebbodyError, match=r"booking_g2.csv should be here"):
        read_ijbs(tmp_path)
