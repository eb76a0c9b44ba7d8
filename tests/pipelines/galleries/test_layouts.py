"""Who is on a picture by its place: layouts as they are unpacked, and people's own folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.galleries.layouts import LAYOUTS, NAMES, place
from webbody.errors import WebbodyError

PEOPLE = ["Aaron_Eckhart", "Ann_Lee", "Zoë_Li"]
LFW = [f"{name}/{name}_{number:04}.jpg" for name in PEOPLE for number in (1, 2)]
NUMBERS = ["000", "001", "499"]
#: The files of a layout, and their people, by an independent rule: the order they are written in.
TREES = {
    "lfw": (LFW, [name for name in PEOPLE for _ in range(2)]),
    "cfp": (
        [f"{n}/{view}/0{i}.jpg" for n in NUMBERS for view in ("frontal", "profile") for i in "12"],
        [n for n in NUMBERS for _ in range(4)],
    ),
    "vggface2": (
        ["train/n000002/0001_01.jpg", "train/n000002/0255_01.jpg", "test/n000001/0001_01.jpg"],
        ["n000002", "n000002", "n000001"],
    ),
    "agedb": (
        ["0_MariaCallas_35_f.jpg",
         "1_MariaCallas_40_f.jpg", "10000_GlennClose_62_f.jpg", "7_A_B_3_m.jpg"],
        ["MariaCallas", "MariaCallas", "GlennClose", "A_B"],
    ),
    "casia": (
        ["0000045/001.jpg", "0000045/002.jpg", "0000099/001.jpg"],
        ["0000045", "0000045", "0000099"],
    ),
    "ms1m": (
        ["m.0107_f/100-FaceId-0.jpg", "m.0107_f/3-FaceId-0.jpg", "m.01_0d4/26-FaceId-0.jpg"],
        ["m.0107_f", "m.0107_f", "m.01_0d4"],
    ),
}  # fmt: skip


@given(
    st.sampled_from(sorted(TREES)),
    st.sampled_from(["", "lfw_home/lfw_funneled/", "Data/Images/", "a/b/c/", "train/", "images/"]),
    st.sampled_from([".jpg", ".JPG", ".png"]),
    st.booleans(),
    st.randoms(),
)
def test_a_layout_is_recognised_whatever_lies_around_it(name, around, ending, named, random):
    files, people = TREES[name]
    files = [around + file.removesuffix(".jpg") + ending for file in files]
    both = [(file, who) for file, who in zip(files, people, strict=True)]
    random.shuffle(both)
    found = place([file for file, _ in both], name if named else "auto", "source")
    assert found.people == [who for _, who in both]
    assert (found.layout, found.notes) == (LAYOUTS[name].title, [])


#: Folders that are no known data set: files by person, and what the layout is called.
FOLDERS = {
    "a folder each": ("plain", {"Ann": ["Ann/a.jpg", "Ann/b.jpg"], "Bob": ["Bob/a.jpg"]}),
    "around them more": ("plain", {"Ann": ["x/y/Ann/a.jpg"], "Bob": ["x/z/Bob/a.jpg"]}),
    "parts of a set": (
        "plain",
        {"7": ["train/7/a.jpg", "test/7/b.jpg"], "8": ["train/8/a.jpg", "test/8/b.jpg"]},
    ),
    "kinds of pictures": (
        "plain",
        {"7": ["7/raw/a.jpg", "7/aligned/a.jpg"], "8": ["8/raw/a.jpg", "8/aligned/b.jpg"]},
    ),
    "years": (
        "plain",
        {name: [f"in/{name}/2019/a.jpg", f"in/{name}/2020/a.jpg"] for name in "abc"},
    ),
    "deeper in a person's folder": (
        "plain",
        {"Ann": ["Ann/a.jpg", "Ann/more/b.jpg"], "Bob": ["Bob/a.jpg"]},
    ),
    "a logo beside the people": (
        "plain",
        {"set": ["set/logo.png"], "Ann": ["set/Ann/a.jpg"], "Bob": ["set/Bob/a.jpg"]},
    ),
    "a person who is called like a kind": (
        "plain",
        {"Ann": ["set/Ann/a.jpg"], "Val": ["set/Val/a.jpg"], "Raw": ["set/Raw/b.jpg"]},
    ),
    "kinds of pictures of some": (
        "plain",
        {"Ann": ["set/Ann/a.jpg"], "Bob": ["set/Bob/raw/a.jpg", "set/Bob/aligned/a.jpg"]},
    ),
    "several data sets": (
        "plain",
        {
            **{name: [f"lfw/{name}/{i}.jpg" for i in range(9)] for name in ("Ann_Lee", "Bob_Ray")},
            **{n: [f"cfp/Data/Images/{n}/{kind}/01.jpg" for kind in ("frontal", "profile")]
               for n in ("001", "002", "003")},
            "MariaCallas": ["agedb/0_MariaCallas_35_f.jpg", "agedb/1_MariaCallas_40_f.jpg"],
            "GlennClose": ["agedb/2_GlennClose_40_f.jpg"],
        },
    ),
    "flat": ("flat", {"Ann_Lee": ["Ann_Lee_0001.jpg", "Ann_Lee_2.jpg"], "7": ["7_1.jpg"]}),
    "flat, wrapped": (
        "flat",
        {
            "Ann_Lee": ["CPLFW/aligned images/Ann_Lee_1.jpg", "CPLFW/aligned images/Ann_Lee_2.jpg"],
            "Bob_Ray": ["CPLFW/aligned images/Bob_Ray_1.jpg"],
        },
    ),
    "flat, in a folder of any name": (
        "flat",
        {name: [f"calfw/{name}_{i}.jpg" for i in range(4)] for name in "abcdef"},
    ),
    "flat beside folders": (
        "plain and flat",
        {"Ann": ["Ann/1.jpg", "Ann/2.jpg"], "Bob": ["Bob_1.jpg"], "Cid": ["Cid/1.jpg"]},
    ),
    "a person's own numbers": (
        "plain",
        {name: [f"{name}/{i:03}_01.jpg" for i in range(30)] for name in ("Ann", "Bob")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS)
def test_folders_that_people_make(case):
    layout, people = FOLDERS[case]
    files = [(file, who) for who, own in people.items() for file in own]
    found = place([file for file, _ in files], "auto", "source")
    assert found.people == [who for _, who in files]
    assert found.layout == layout


def test_a_named_layout_wins():
    files = ["Ann/2019/a.jpg", "Bob/2020/b.jpg", "loose_1.jpg"]
    assert place(files, "plain", "source").people == ["2019", "2020", "source"]
    assert place(files, "flat", "source").people == [None, None, "loose"]
    nested = place(files, "nested", "source")
    assert nested.people == ["Ann", "Bob", None]
    assert nested.notes == [
        "1 picture lies (such as loose_1.jpg) not as in the layout nested and left out."
    ]
    assert place(["0/0_1.jpg", "17/3.png"], "ms1m", "source").people == ["0", "17"]
    for name in LAYOUTS:
        with pytest.raises(WebbodyError, match="None of the 2 pictures lies as in the layout"):
            place(["x.jpg", "y.jpg"], name, "source")


def test_some_strange_pictures_are_not_lost():
    files = [f"{name}/{name}_{i:04}.jpg" for name in ("Ann", "Bob") for i in range(10)]
    found = place([*files, "Cid/portrait.jpg"], "auto", "source")
    assert found.people == ["Ann"] * 10 + ["Bob"] * 10 + ["Cid"]
    assert found.notes == ["1 picture lies (such as Cid/portrait.jpg) not as in LFW."]


def test_folders_that_are_called_alike_are_told_of():
    for files, people, told in (
        ("train/7/a val/7/a val/8/a", "7 7 8", "taken as one person"),
        ("x/7/a y/7/a y/8/b z/8/b", "x y y z", "folder above"),
        ("x/7/a y/7/a", "x y", "folder above"),
        ("x/7/a x/8/a y/7/a y/8/a", "x/7 x/8 y/7 y/8", "to be sure"),
        ("x/7/a x/8/a x/9/a y/7/a y/8/a y/9/a", "x/7 x/8 x/9 y/7 y/8 y/9", "to be sure"),
        ("x/A/a x/B/a x/C/a y/A/a y/B/a y/C/a", "A B C A B C", "taken as one person"),
        ("x/A/a x/B/a x/C/a y/A/a y/D/a", "x/A B C y/A D", "to be sure"),
        ("x/A/1/a x/B/1/a x/C/1/a x/C/2/a", "A B C C", "folder above"),
    ):
        found = place([f"{file}.jpg" for file in files.split()], "auto", "source")
        assert found.people == people.split()
        assert told in found.notes[0]


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "7", "images"]), max_size=3), min_size=1),
    st.sampled_from(["auto", "plain"]),
)
def test_everybody_is_somebody(folders, layout):
    files = ["/".join([*folder, f"p_{number}.jpg"]) for number, folder in enumerate(folders)]
    people = place(files, layout, "source").people
    assert len(people) == len(files) and all(people)


def test_every_layout_has_a_name():
    assert {*LAYOUTS, "auto", "plain", "nested", "flat", "celeba"} == set(NAMES)
