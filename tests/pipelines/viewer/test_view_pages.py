"""Every page of a drawn build: what it shows, its filters, and that strangers' text stays text."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import fsspec
import pytest
from drawn_build import HOSTILE, Rows
from starlette.testclient import TestClient
from viewer_client import client_of

from pipelines.viewer.index.viewed import WatchedBuild
from webbody.commit import read_record
from webbody.errors import WebbodyError
from webbody.storage import Folder
from webbody.view_cache import forget_view


class ReadPage(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        self.text += data

    def values(self, tag: str, name: str) -> list[str]:
        return [attrs[name] for kind, attrs in self.tags if kind == tag and name in attrs]


def page_of(client: TestClient, path: str, status: int = 200) -> ReadPage:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return ReadPage(answer.text)


def count_of(page: ReadPage) -> int:
    return int(re.search(r"([\d,]+) entr", page.text)[1].replace(",", ""))


def rows_of(drawn: dict[str, Rows]) -> Rows:
    return [row for rows in drawn.values() for row in rows]


def test_each_outcome_of_the_funnel_leads_to_as_many_rows(client, drawn_rows):
    page = page_of(client, "/")
    links = [link for link in page.values("a", "href") if link.startswith("/grid?row=")]
    fates = [row["fate"] for row in rows_of(drawn_rows[1])]
    assert len(links) == len(set(fates)) + 1  # and the row that planning rejected
    for link in links:
        outcome = link.partition("=")[2].replace("%3A", ":")
        expected = fates.count(None if outcome == "kept" else outcome)
        assert count_of(page_of(client, link)) == (expected or 1), outcome


def test_the_grid_filters_and_sorts(client, drawn_rows):
    everything = rows_of(drawn_rows[1])
    of_ada = [row for row in everything if row["name"] == "Ada Quill"]
    assert count_of(page_of(client, "/grid")) == len(everything) + 1
    assert count_of(page_of(client, "/grid?name=Ada+Quill")) == len(of_ada)
    faces = page_of(client, "/grid?stage=faces")
    assert count_of(faces) == sum((row["fate"] or "").startswith("face:") for row in everything)
    low = count_of(page_of(client, "/grid?max_face_score=0.5"))
    high = count_of(page_of(client, "/grid?min_face_score=0.9"))
    assert low == count_of(faces) and high > low
    assert count_of(page_of(client, "/grid?find=ada+q")) == 2 * len(of_ada)
    assert count_of(page_of(client, "/grid?domain=example.org&outcome=kept&sort=-similarity")) > 0
    assert count_of(page_of(client, "/grid?person=0")) > len(of_ada) / 2
    assert page_of(client, "/grid?page=999").text.count("behind the last")


@pytest.mark.parametrize("query", ["min_face_score=x", "person=1e9", "page=0", "page=x"])
def test_nonsense_in_an_address_is_told(client, query):
    assert "correct the address" in page_of(client, f"/grid?{query}", 400).text


@pytest.mark.parametrize("query", ["name=%27+OR+1%3D1+--", "outcome=%27%3B+DROP+VIEW+crops"])
def test_values_are_never_part_of_a_query(client, query):
    assert count_of(page_of(client, f"/grid?{query}")) == 0
    assert count_of(page_of(client, "/grid")) > 0


def test_thumbnails_are_cut_from_the_tars(client):
    pictures = page_of(client, "/grid?outcome=kept").values("img", "src")
    faces = page_of(client, "/grid?outcome=kept&look=faces").values("img", "src")
    photos = page_of(client, "/grid?outcome=kept&look=photos").values("img", "src")
    assert len(pictures) == len(faces) == len(photos) > 20
    for address in (pictures[0], faces[0], photos[0]):
        answer = client.get(address)
        assert answer.status_code == 200 and answer.content.startswith(b"\xff\xd8")
    assert client.get(faces[0]).content != client.get(pictures[0]).content


@pytest.mark.parametrize(
    "address",
    [
        "/picture/persons/00000000/7/99999999999999.jpg", "/picture/persons/nothing/0/9.jpg",
        "/picture/plan/00000000/0/9.jpg", "/picture/persons/..%2f..%2fetc/0/9.jpg",
        "/picture/persons/00000000/0/512.jpg", "/picture/persons/00000000/0/512.jpg?side=999999",
        "/drawn/photo/00000000/nothing/nothing.jpg", "/drawn/x/00000000/a/b.jpg",
    ],
)  # fmt: skip
def test_what_is_no_picture_is_not_found(client, address):
    assert client.get(address).status_code == 404


def test_the_page_of_an_image_shows_all_that_was_found(client, drawn_rows):
    row = next(row for row in rows_of(drawn_rows[1]) if row["fate"] is None)
    page = page_of(client, f"/image/{row['key']}")
    pictures = page.values("img", "src")
    kinds = [address.split("/")[2] for address in pictures]
    assert kinds == ["photo", "crop", "points", "face", "aligned"]
    for address in pictures:
        assert client.get(address).content.startswith(b"\xff\xd8"), address
    for told in ("What became of it", "score of the face", row["key"], "kept"):
        assert told in page.text


def test_a_url_a_key_or_a_name_is_found(client, drawn_rows):
    row = rows_of(drawn_rows[1])[0]
    for text in (row["url"], row["key"], row["crop"]):
        answer = client.get("/find", params={"find": text}, follow_redirects=False)
        assert answer.headers["location"] == f"/image/{row['key']}"
    answer = client.get("/find", params={"find": "Quill"})
    assert answer.url.path == "/grid" and "Ada Quill" in answer.text


def test_thresholds_stand_beside_the_figures(client):
    page = page_of(client, "/figures")
    assert page.text.count("Score of the face") == 1
    assert page_of(client, "/figures?faces.min_score=0.3")
    titles = [link for link in page.values("a", "href") if link.startswith("/grid?min_")]
    assert titles and count_of(page_of(client, titles[0])) > 0


PAGES = ("/", "/figures", "/grid", "/grid?find=script", "/grid?sort=-face_score&look=faces")


@pytest.mark.parametrize("path", PAGES)
def test_strangers_cannot_write_into_a_page(client, path):
    check_harmless(client.get(path).text)


def check_harmless(html: str) -> None:
    """No script but ours, no handler, no style, no address elsewhere, no turned or control text."""
    page = ReadPage(html)
    assert page.values("script", "src") == ["/static/view.js"]
    for tag, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on") or name == "style"], tag
        for name in ("href", "src", "action"):
            if name in attrs:
                assert attrs[name].startswith(("/", "#")) and not attrs[name].startswith("//")
    assert "<script>alert" not in html and "\u202e" not in page.text and "\x1b" not in html


def test_strangers_cannot_write_into_an_image_page(client, drawn_rows):
    rows = rows_of(drawn_rows[1])
    for row in (next(row for row in rows if row["name"] == HOSTILE), rows[0], rows[33]):
        check_harmless(client.get(f"/image/{row['key']}").text)


@pytest.fixture
def copy(drawn_rows, tmp_path) -> Path:
    shutil.copytree(drawn_rows[0], tmp_path / "copy")
    return tmp_path / "copy"


def test_tiles_say_that_images_were_let_go(copy):
    for shard in ("00000000", "00000001"):
        folder = Folder(copy)
        record = read_record(folder, "persons", shard)
        gone = replace(record, evicted=(f"{shard}.tar",))
        folder.write_bytes(f"persons/{shard}.json", gone.to_json())
        (copy / f"persons/{shard}.tar").unlink()
    with WatchedBuild(str(copy)) as build:
        client = client_of(build)
        page = page_of(client, "/grid?outcome=kept")
        assert "images let go" in page.text and not page.values("img", "src")
        assert client.get("/picture/persons/00000000/512/99.jpg").status_code == 404


def test_pages_say_that_images_were_deleted(copy, drawn_rows):
    with WatchedBuild(str(copy)) as build:
        client = client_of(build)
        kept = next(row for row in rows_of(drawn_rows[1]) if row["fate"] is None)
        photos = "/grid?outcome=kept&look=photos"
        assert page_of(client, photos).values("img", "src")
        for stage in ("download", "persons"):
            for tar in (copy / stage).glob("*.tar"):
                tar.unlink()
        for page in (photos, "/grid?outcome=kept&look=faces", f"/image/{kept['key']}"):
            answer = client.get(page).text
            answer = client.get(page).text
            assert "images deleted" in answer and "/picture/persons/" not in answer
        assert not page_of(client, photos).values("img", "src")


def test_a_half_built_folder_is_shown_as_far_as_it_is(copy):
    for path in ("identities", "keypoints", "split", "pack", "ledger"):
        shutil.rmtree(copy / path)
    (copy / "faces/00000001.json").unlink()
    with WatchedBuild(str(copy)) as build:
        client = client_of(build)
        assert "undecided" in page_of(client, "/").text
        assert count_of(page_of(client, "/grid?outcome=undecided")) > 10
        for path in PAGES:
            check_harmless(client.get(path).text)


def test_what_changes_below_is_seen_by_the_next_page(copy, drawn_rows):
    with WatchedBuild(str(copy)) as build:
        client = client_of(build)
        before = sorted(path.name for path in (copy / ".view").glob("0*.parquet"))
        assert count_of(page_of(client, "/grid?outcome=kept&shard=00000001")) > 0
        (copy / "keypoints/00000001.json").unlink()
        assert count_of(page_of(client, "/grid?outcome=kept&shard=00000001")) == 0
        after = sorted(path.name for path in (copy / ".view").glob("0*.parquet"))
        assert after[0] == before[0] and after[1] != before[1]  # one shard was made anew


def test_two_servers_and_a_cache_that_vanishes(copy):
    with WatchedBuild(str(copy)) as one, WatchedBuild(str(copy)) as other:
        first, second = client_of(one), client_of(other)
        assert count_of(page_of(first, "/grid")) == count_of(page_of(second, "/grid"))
        forget_view(Folder(copy))
        assert count_of(page_of(first, "/grid")) == count_of(page_of(second, "/grid")) > 0


def test_a_read_only_folder_is_looked_at_all_the_same(copy, monkeypatch):
    def refuse(*_):
        raise PermissionError

    forget_view(Folder(copy))
    monkeypatch.setattr("pipelines.viewer.index.store.Folder.write_bytes", refuse)
    with WatchedBuild(str(copy)) as build:
        assert count_of(page_of(client_of(build), "/grid")) > 0
    assert not (copy / ".view").exists()


def test_a_build_in_a_store_is_looked_at(drawn_rows):
    store = fsspec.filesystem("memory")
    store.put(f"{drawn_rows[0]}/", "/viewed-in-a-store/", recursive=True)
    store.rm("/viewed-in-a-store/.view", recursive=True)
    with WatchedBuild("memory://viewed-in-a-store") as build:
        client = client_of(build)
        page = page_of(client, "/grid?outcome=kept")
        picture = client.get(page.values("img", "src")[0])
        assert picture.status_code == 200 and picture.content.startswith(b"\xff\xd8")
    assert not store.exists("/viewed-in-a-store/.view")


def test_a_moved_folder_shows_its_own_pictures(copy, tmp_path):
    with WatchedBuild(str(copy)):
        pass
    copy.rename(tmp_path / "elsewhere")
    with WatchedBuild(str(tmp_path / "elsewhere")) as build:
        client = client_of(build)
        page = page_of(client, "/grid?outcome=kept")
        assert client.get(page.values("img", "src")[0]).status_code == 200
        shutil.rmtree(tmp_path / "elsewhere")  # gone altogether, while it is looked at
        assert client.get("/grid").status_code in (400, 500)


def test_what_is_no_build_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="holds no build"), WatchedBuild(str(tmp_path)):
        pass


def test_a_damaged_table_is_told(copy):
    forget_view(Folder(copy))
    (copy / "faces/00000001.parquet").write_bytes(b"PAR1nonsensePAR1")
    with pytest.raises(WebbodyError, match="webbody verify"), WatchedBuild(str(copy)):
        pass
