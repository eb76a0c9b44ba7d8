"""Lists of pictures with their people, as hands and programs write them."""

import csv
import io
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.galleries.identity_lists import read_identity_list
from webbody.errors import WebbodyError

PICTURES = ["a.jpg", "a b.jpg", "sub/c.jpg", "Lee, Ann.jpg", "#x.jpg", "sub/Zoë;1.jpg"]


@pytest.fixture
def folder(tmp_path):
    for name in PICTURES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def read(folder, name, text, encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    listed = read_identity_list(folder / name)
    return [(Path(one.path).relative_to(folder).as_posix(), one.identity) for one in listed]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.txt", "a b.jpg 7\nsub/c.jpg\t8\n\n"),
        ("l.txt", "# pictures\na b.jpg 7\n\n# more\nsub/c.jpg 8"),
        ("l.txt", '"a b.jpg" 7\r\n"sub\\c.jpg" "8"\r\n'),
        ("l.txt", "image person\na b.jpg 7\nsub/c.jpg 8\n"),
        ("l.txt", "person image\n7 a b.jpg\n8 sub/c.jpg\n"),
        ("l.txt", "a b.jpg,7\nsub/c.jpg,8\n"),
        ("l.tsv", "a b.jpg\t7\nsub/c.jpg\t8\n"),
        ("l.tsv", "file\tname\na b.jpg\t7\n./sub/../sub/c.jpg\t8\n"),
        ("l.csv", "path,identity\na b.jpg,7\nsub/c.jpg, 8\n"),
        ("l.csv", "Image,Person\r\na b.jpg,7\r\nsub\\c.jpg,8\r\n"),
        ("l.csv", "person,image\n7,a b.jpg\n8,sub/c.jpg\n"),
        ("l.csv", ",Image Path,x,Person ID\n0,a b.jpg,9,7\n1,sub/c.jpg,9,8\n"),
        ("l.csv", "Bild;Wer\na b.jpg;7\nsub/c.jpg;8\n"),
        ("l.csv", "Wer;Bild\n7;a b.jpg\n8;sub/c.jpg\n"),
        ("l.csv", '"a b.jpg","7"\n"sub/c.jpg","8"\n'),
        ("l.CSV", "a b.jpg,7,more\nsub/c.jpg,8,more\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_one_list_written_in_many_ways(folder, name, text, encoding):
    assert read(folder, name, text, encoding) == [("a b.jpg", "7"), ("sub/c.jpg", "8")]


def test_a_path_with_separators_is_found_because_it_is_there(folder):
    text = 'Lee, Ann.jpg,7\n"Lee, Ann.jpg","Ann, Lee"\n#x.jpg,8\nsub/Zoë;1.jpg,9\n'
    assert read(folder, "l.csv", text) == [
        ("Lee, Ann.jpg", "7"),
        ("Lee, Ann.jpg", "Ann, Lee"),
        ("#x.jpg", "8"),
        ("sub/Zoë;1.jpg", "9"),
    ]
    assert read(folder, "l.txt", "a.jpg Ann Lee\n#x.jpg 8\n") == [
        ("a.jpg", "Ann Lee"), ("#x.jpg", "8"),
    ]  # fmt: skip
    assert read(folder, "l.csv", f"{folder / 'a.jpg'},7\n") == [("a.jpg", "7")]


def test_accents_may_be_written_in_another_form(folder):
    one, two = "Zo\u00eb.jpg", "Ane\u0301.jpg"
    (folder / one).write_bytes(b"")
    (folder / two).write_bytes(b"")
    assert read(folder, "l.csv", "Zoe\u0308.jpg,7\nAn\u00e9.jpg,8\n") == [(one, "7"), (two, "8")]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(PICTURES),
            st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1),
        ),
        min_size=1,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.booleans(),
)
def test_what_python_writes_as_csv_is_read(rows, separator, heading):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerows([("path", "identity")] * heading + rows)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "sub").mkdir()
        for name in PICTURES:
            (folder / name).write_bytes(b"")
        name = "l.csv" if separator == "," or heading else "l.tsv" if separator == "\t" else ""
        if name:
            assert read(folder, name, text.getvalue()) == rows


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a.jpg\n", "line 1: write it as"),
        ("a.jpg,7\na.jpg\n", "line 2: write it as"),
        ('a.jpg,7\n"a.jpg,7\n', "line 2: has a quote without an end"),
        ("a.jpg,7\na.jpg,\n", "line 2: the path or the identity is missing"),
        ("path,identity\na.jpg,7\n,8\n", "line 3: the path or the identity is missing"),
        ("a.jpg,7\nno.jpg,8\nnone.jpg,9\n", "line 2: there is no picture no.jpg"),
        ("a.jpg,7\nno.jpg,8\nnone.jpg,9\n", "2 of 3 pictures of the list are missing"),
        ("person;image\n7;a.jpg\n8;no.jpg\n", "line 3: there is no picture no.jpg"),
        ("no.jpg,7\n", "line 1: there is no picture no.jpg"),
        ("sub,7\n", "line 1: there is no picture sub"),
    ],
)
def test_a_wrong_line_is_told_by_its_number(folder, text, told):
    with pytest.raises(WebbodyError, match=re.escape(told)):
        read(folder, "l.csv", text)


def test_a_list_without_pictures_names_none(folder):
    assert read(folder, "l.csv", "image,person\n") == read(folder, "l.csv", "") == []


def test_a_list_that_cannot_be_read_is_told(folder, monkeypatch):
    def deny(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises(WebbodyError, match=r"l\.csv: cannot be read \(Permission denied\)"):
        read_identity_list(folder / "l.csv")
