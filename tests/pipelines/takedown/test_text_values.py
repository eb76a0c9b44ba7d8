"""Texts in which something that was removed is hidden, and texts in which nothing is."""

import datetime
import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.takedown.absence import check_absence
from pipelines.takedown.text_values import text_values
from webbody.removals import RemovalLists, Removals
from webbody.storage import Folder

DAY = datetime.date(2026, 1, 1)
URL = "http://example.org/été à la plage (2).jpg"
NAME, KEY, PERSON, SHA256 = "Ann-Marie O'Neil", "ab" * 10, 107358629017242, "cd" * 32
LISTS = RemovalLists(
    (
        Removals("ab" * 32).plus(
            DAY,
            "request",
            [
                ("url", URL),
                ("name", NAME),
                ("sample", KEY),
                ("person", PERSON),
                ("sha256", SHA256),
            ],
        ),
    )
)


def found(text: str, ending: str) -> int:
    values = text_values(text.encode(), ending, names=True)
    return sum(any(LISTS.contains(**one) for one in readings) for readings in values)


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("log", f"12:00 fetched {URL} in 3 s"),
        ("txt", f"0 1 {URL}"),
        ("txt", f"see ({URL}), or not"),
        ("csv", f'url,name\n"{URL}",x'),
        ("json", json.dumps({"a": [{"b": URL}]})),
        ("json", json.dumps({URL: 1})),
        ("jsonl", json.dumps({"url": URL}) + "\n"),
        ("html", f'<a href="{URL.replace(" ", "%20").replace("(", "&#40;")}">'),
        ("md", "HTTP://EXAMPLE.ORG/%C3%A9t%C3%A9%20%C3%A0%20la%20plage%20%282%29.jpg"),
        ("log", f"12:00 the name {NAME} has 3 images"),
        ("csv", f"url,name\nhttp://a/b,{NAME}"),
        ("json", json.dumps({"names": [NAME]})),
        ("txt", f"0 {NAME} http://a/b"),
        ("log", f"sample {KEY}.jpg"),
        ("json", json.dumps({"person": PERSON})),
        ("csv", f"{PERSON},1"),
        ("log", f"sha256:{SHA256}"),
    ],
)
def test_what_was_removed_is_found(ending, text):
    assert found(text, ending) == 1


@given(st.text(max_size=60))
def test_nothing_is_found_in_other_texts_whatever_they_are(text):
    for ending in ("json", "jsonl", "csv", "html", "log"):
        assert found(text, ending) == 0
        assert found("x" + KEY + " " + str(PERSON) + "0", ending) == 0


def test_files_of_a_folder_are_looked_through(tmp_path):
    (tmp_path / "list.tsv").write_text(f"{URL}\tx\n")
    pq.write_table(pa.table({"person_before": [PERSON, 1]}), tmp_path / "changes.parquet")
    pq.write_table(pa.table({"url": ["http://a/b"]}), tmp_path / "other.parquet")
    (tmp_path / "archive.zip").write_bytes(b"PK")
    absence = check_absence(Folder(tmp_path), LISTS)
    assert dict(absence.found) == {"list.tsv": 1, "changes.parquet": 1}
    assert absence.unread == ["archive.zip"] and not absence.proven


def test_loose_pictures_are_known_by_bytes_and_by_the_names_of_exports(tmp_path):
    data = b"bytes of a picture"
    digest = ("sha256", hashlib.sha256(data).hexdigest())
    lists = RemovalLists((Removals("ab" * 32).plus(DAY, "request", [digest]),))
    for name, content in (
        ("old/copy.JPG", data),
        (f"out/train/{PERSON}/x.jpg", b"another"),
        (f"out/train/5/{KEY}.jpg", b"another"),
        ("out/train/5/0000.jpg", b"another"),
        ("chart.png", b"another"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    absence = check_absence(Folder(tmp_path), lists)
    assert dict(absence.found) == {"old/copy.JPG": 1}
    absence = check_absence(Folder(tmp_path), LISTS)
    assert set(absence.found) == {f"out/train/{PERSON}/x.jpg", f"out/train/5/{KEY}.jpg"}
    assert "out/train/5/0000.jpg" in absence.unread and "chart.png" not in absence.unread
