"""Folders and lists of known people together: what is counted, left out, warned of and refused."""

from pathlib import Path

import fsspec
import numpy as np
import pytest

from pipelines.galleries import labelled
from pipelines.galleries.identity_sources import read_sources
from webbody.errors import WebbodyError
from webbody.images import encode_jpeg

PIXELS = encode_jpeg(np.full((20, 20, 3), 100, np.uint8), 95)


def write(folder: Path, *paths: str, data: bytes = PIXELS) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def people(found):
    return {
        who: sorted(one.path.rpartition("/")[2] for one in found.pictures if one.identity == who)
        for who in sorted({one.identity for one in found.pictures})
    }


def lfw(folder: Path, names="Ann Bob Cid", each=4) -> Path:
    top = folder / "lfw_home/lfw_funneled"
    write(top, *(f"{name}/{name}_{i:04}.jpg" for name in names.split() for i in range(each)))
    return folder / "lfw_home"


def test_lfw_as_unpacked_with_what_systems_leave_in_it(tmp_path):
    root = lfw(tmp_path)
    top = root / "lfw_funneled"
    write(top, ".ipynb_checkpoints/a_0001.jpg", "@eaDir/b_0001.jpg", ".Trash-1000/files/c_1.jpg")
    write(root, "__MACOSX/lfw_funneled/Ann/._Ann_0001.jpg", "pairs.txt")
    write(top, "Ann/._Ann_0001.jpg", "Ann/Thumbs.db")
    write(tmp_path, "away/1.jpg", "away/2.jpg")
    (top / "Dora").symlink_to(tmp_path / "away")
    (top / "gone.jpg").symlink_to("nowhere")
    (top / "Ann/up").symlink_to("../..")
    found = read_sources([root])
    assert {who: len(own) for who, own in people(found).items()} == {
        "Ann": 4, "Bob": 4, "Cid": 4, "Dora": 2,
    }  # fmt: skip
    (source,) = found.sources
    assert (source.layout, source.people, source.pictures) == ("plain", 4, 14)
    assert source.left_out == {
        "hidden": 6, "broken link": 1, "link to a folder that is read already": 1, "other files": 1,
    }  # fmt: skip
    assert found.warnings == source.warnings == []


def test_folders_behind_urls():
    memory = fsspec.filesystem("memory")
    memory.pipe({f"/known/{name}/{name}_0001.jpg": PIXELS for name in ("Ann", "Bob")})
    memory.pipe("/known/@eaDir/x.jpg", PIXELS)
    found = read_sources(["memory://known"])
    assert people(found) == {"Ann": ["Ann_0001.jpg"], "Bob": ["Bob_0001.jpg"]}
    assert [who for who, _ in found.decoded()] == ["Ann", "Bob"]
    assert found.sources[0].left_out == {"hidden": 1}


def test_celeba_by_its_list(tmp_path):
    write(tmp_path, *(f"Img/img_align_celeba/00000{i}.jpg" for i in range(1, 5)))
    write(tmp_path, "Anno/identity_CelebA.txt", data=b"000001.jpg 2880\n000002.jpg 7\n000003.jpg 7")
    found = read_sources([tmp_path])
    assert people(found) == {"2880": ["000001.jpg"], "7": ["000002.jpg", "000003.jpg"]}
    assert found.sources[0].left_out == {"of nobody in this layout": 1, "other files": 1}
    write(tmp_path, "lfw/Ann/1.jpg", "lfw/Bob/1.jpg")
    assert set(people(read_sources([tmp_path]))) == {"2880", "7", "Ann", "Bob"}
    assert set(people(read_sources([tmp_path], "celeba"))) == {"2880", "7"}
    with pytest.raises(WebbodyError, match="layout celeba needs"):
        read_sources([tmp_path / "Img"], "celeba")


def test_lists_beside_folders_and_what_is_given_twice(tmp_path):
    root = lfw(tmp_path, "Ann Bob", 2)
    ann = root / "lfw_funneled/Ann"
    (tmp_path / "again").symlink_to(root)
    write(tmp_path, "l.csv", data=b"\xef\xbb\xbfimage,person\r\n" + "".join(
        f"{path},{who}\r\n" for path, who in (
            ("lfw_home/lfw_funneled/Bob/Bob_0000.jpg", "Bob"),
            ("lfw_home/lfw_funneled/Ann/Ann_0000.jpg", "Eve"),
            ("new/x.jpg", "Bob"),
            ("new/y.jpg", "Fay"),
            ("./new/y.jpg", "Fay"),
        )
    ).encode())  # fmt: skip
    write(tmp_path, "new/x.jpg", "new/y.jpg")
    found = read_sources([root, str(root), tmp_path / "again", ann, tmp_path / "l.csv"])
    assert people(found) == {
        "Ann": ["Ann_0000.jpg", "Ann_0001.jpg"],
        "Bob": ["Bob_0000.jpg", "Bob_0001.jpg", "x.jpg"],
        "Fay": ["y.jpg"],
    }
    assert [source.left_out["given twice"] for source in found.sources] == [0, 4, 4, 2, 3]
    assert [source.pictures for source in found.sources] == [4, 0, 0, 0, 2]
    assert found.warnings == [
        "1 pictures are given twice with different people; the first is taken.",
        "1 people (such as Bob) are called alike in several sources, and each is taken as one "
        "person.",
    ]


def test_pictures_that_cannot_be_read_are_skipped_and_counted(tmp_path, monkeypatch):
    write(tmp_path, "Ann/1.jpg", "Ann/2.jpg", "Bob/1.jpg")
    write(tmp_path, "Ann/broken.jpg", data=b"no picture")
    write(tmp_path, "Bob/cut.jpg", data=PIXELS[:-300])
    found = read_sources([tmp_path])
    read = labelled.content

    def deny(path):  # whoever runs tests may be allowed to read everything
        if path.endswith("Ann/2.jpg"):
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(labelled, "content", deny)
    assert [who for who, _ in found.decoded()] == ["Ann", "Bob"]
    assert next(found.report_lines()) == (
        f"{tmp_path}: layout plain, 2 people, 5 pictures; left out: 1 image:not-an-image, 1 "
        "image:truncated, 1 not readable (Permission denied)"
    )


def test_one_person_who_has_nearly_everything(tmp_path):
    write(tmp_path / "most", *(f"Ann/{i}.jpg" for i in range(19)), "Bob/1.jpg")
    (source,) = read_sources([tmp_path / "most"]).sources
    assert source.warnings == [
        "19 of 20 pictures are of one person (Ann): check the layout (plain)."
    ]
    write(tmp_path / "all", *(f"x/Ann/{i}.jpg" for i in range(100)))
    with pytest.raises(WebbodyError, match=r"100 of 100 pictures are of one person \(Ann\)"):
        read_sources([tmp_path / "all"])
    assert len(read_sources([tmp_path / "all"], "plain").sources[0].warnings) == 1
    write(tmp_path / "few", *(f"Ann/{i}.jpg" for i in range(10)))
    assert read_sources([tmp_path / "few"]).sources[0].warnings == []


def test_folders_and_people_that_are_odd_are_warned_of(tmp_path):
    write(tmp_path, "a/1.jpg", "a/2.jpg", "b/notes.txt", "Protocol/Split/01/same.txt")
    (tmp_path / "c").mkdir()
    (source,) = read_sources([tmp_path]).sources
    assert source.warnings == ["2 folders hold no pictures (such as b): nobody is taken from them."]
    write(tmp_path / "flat", *(f"{i}.jpg" for i in range(12)))
    (source,) = read_sources([tmp_path / "flat"]).sources
    assert source.warnings == ["each of the 12 people has one picture: check the layout (flat)."]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("none", "neither a folder of pictures nor a .* list of them; there is nothing"),
        ("photo.jpg", "neither a folder of pictures nor a .* list of them.$"),
        ("empty", "holds no pictures"),
        ("looped", "holds no pictures"),
        ("hidden", "holds no pictures"),
        ("heading.csv", "names no pictures"),
        ("missing.csv", "missing.csv, line 2: .*2 of 2 pictures of the list are missing"),
        ("memory://nothing-here", "there is no such folder"),
    ],
)
def test_what_is_no_source_is_told(tmp_path, monkeypatch, source, told):
    write(tmp_path, "photo.jpg", "hidden/.x/1.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "looped").mkdir()
    (tmp_path / "looped/again").symlink_to(".")
    write(tmp_path, "heading.csv", data=b"image,person\n")
    write(tmp_path, "missing.csv", data=b"image,person\nx.jpg,1\ny.jpg,2\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WebbodyError, match=told):
        read_sources([source])


def test_an_unknown_layout_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="--layout vgg: there is no such layout; take auto, "):
        read_sources([tmp_path], "vgg")
