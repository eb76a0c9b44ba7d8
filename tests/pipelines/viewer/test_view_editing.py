"""Corrections from the pages: who may make them, what is written, where they are shown."""

import shutil
from datetime import date
from urllib.parse import quote

import pytest
from test_view_pages import check_harmless, count_of, page_of
from viewer_client import client_of

from pipelines.build import build
from pipelines.corrections.journal import read_corrections
from pipelines.takedown.absence import check_absence
from pipelines.takedown.forgetting import forget_features
from pipelines.takedown.surgery import apply
from pipelines.takedown.targets import TakedownRequest, entries_of
from pipelines.viewer.editing import Editing
from pipelines.viewer.index.viewed import WatchedBuild
from webbody.removals import RemovalLists, Removals
from webbody.storage import Folder

WHO = "<b>ann</b>\u202e"


@pytest.fixture
def out(demo, tmp_path):
    shutil.copytree(demo.out, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def editor(out):
    with WatchedBuild(str(out)) as watched:
        yield client_of(watched, Editing(str(out), WHO)), watched


def secret_of(client) -> str:
    return page_of(client, "/").values("body", "data-secret")[0]


def correct(client, **fields):
    return client.post("/correct", data={"secret": secret_of(client), **fields})


def kept_crop(watched) -> dict:
    sql = "SELECT crop, key, person, name FROM crops WHERE outcome = 'kept' ORDER BY crop LIMIT 1"
    return watched.now().database.rows(sql)[0]


def test_a_read_only_server_writes_nothing(out):
    with WatchedBuild(str(out)) as watched:
        client = client_of(watched)
        assert secret_of(client) == ""
        item = kept_crop(watched)["crop"]
        answer = client.post("/correct", data={"secret": "", "verdict": "keep", "item": item})
        assert answer.status_code == 403
    assert not (out / "corrections").exists()


@pytest.mark.parametrize("secret", ["", "wrong"])
def test_a_form_without_the_secret_is_refused(editor, out, secret):
    client, watched = editor
    fields = {"secret": secret, "verdict": "keep", "item": kept_crop(watched)["crop"]}
    assert client.post("/correct", data=fields).status_code == 403
    assert not (out / "corrections").exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"verdict": "nonsense", "item": "x"},
        {"verdict": "keep"},
        {"verdict": "keep", "item": "no-such-crop"},
        {"verdict": "one-person", "first": "nobody", "second": "no one"},
        {"verdict": "one-person", "first": "nobody"},
        {"verdict": "undo", "undo": "0123456789abcdef"},
        {"verdict": "bad-picture", "item": "x", "why": "y" * 2001},
    ],
)
def test_what_makes_no_sense_is_told(editor, out, fields):
    answer = correct(editor[0], **fields)
    assert answer.status_code == 400 and answer.json()["sentence"]
    assert not read_corrections(Folder(out))


def test_a_correction_is_written_shown_and_taken_back(editor, out):
    client, watched = editor
    crop = kept_crop(watched)
    answer = correct(client, verdict="bad-picture", item=crop["crop"], why="<i>blurred</i>")
    (one,) = read_corrections(Folder(out))
    assert answer.json()["ids"] == [one.id] and one.who == WHO and one.verdict == "bad-picture"
    paths = (
        f"/image/{crop['key']}", f"/person/{crop['person']}", "/corrections",
        f"/grid?name={crop['name']}",
    )  # fmt: skip
    for path in paths:
        page = page_of(client, path)
        assert "is a bad picture" in page.text and "(waits)" in page.text + "(waits)"
        check_harmless(client.get(path).text)
    assert "1 correction waits" in page_of(client, "/corrections").text
    assert correct(client, verdict="undo", undo=one.id).status_code == 200
    for path in paths[:2]:
        assert "is a bad picture" not in page_of(client, path).text
    assert "taken back" in page_of(client, "/corrections").text


def test_two_editors_at_once_lose_nothing(editor, out):
    client, watched = editor
    other = client_of(watched, Editing(str(out), "bob"))
    crops = watched.now().database.rows(
        "SELECT crop FROM crops WHERE outcome = 'kept' ORDER BY crop LIMIT 4"
    )
    for number, row in enumerate(crops):
        correct((client, other)[number % 2], verdict="right", item=row["crop"])
    said = read_corrections(Folder(out))
    assert [one.who for one in said] == [WHO, "bob"] * 2
    assert page_of(client, "/corrections").text.count("says bob") == 4  # and beside its picture


def test_people_are_told_apart_and_together(editor, out):
    client, watched = editor
    rows = watched.now().database.rows(
        "SELECT person, any_value(name) AS name FROM crops WHERE outcome = 'kept' "
        "GROUP BY person ORDER BY person LIMIT 2"
    )
    first, second = (str(row["person"]) for row in rows)
    assert correct(client, verdict="one-person", first=first, second=second).status_code == 200
    (one,) = read_corrections(Folder(out))
    assert one.verdict == "one-person" and one.person and one.other
    names = tuple(sorted(row["name"] for row in rows))
    assert [mark.id for mark in watched.now().marks.of_names[names]] == [one.id]


def test_the_build_heeds_what_was_said_on_a_page(editor, out, demo, in_process):
    client, watched = editor
    assert build(demo.settings(out)).complete  # its configuration names this folder
    crop = kept_crop(watched)
    of_crop = f"/grid?outcome=kept&find={crop['crop']}"
    assert count_of(page_of(client, of_crop)) == 1
    correct(client, verdict="not-this-person", item=crop["crop"])
    assert build(demo.settings(out)).complete
    assert count_of(page_of(client, of_crop)) == 0
    page = page_of(client, "/grid?outcome=corrected")
    assert count_of(page) == 1 and "corrected:not-this-person" in page.text
    assert "1 decision" in page_of(client, "/corrections").text


def test_a_damaged_file_of_corrections_is_told(editor, out):
    client, _ = editor
    (out / "corrections").mkdir()
    (out / "corrections/x.jsonl").write_text("{}\n")
    assert "line 1" in page_of(client, "/corrections", 400).text
    assert count_of(page_of(client, "/grid")) > 0


def test_the_review_goes_on_with_what_was_not_judged(editor):
    client, watched = editor
    page = page_of(client, "/review")
    check_harmless(client.get("/review").text)
    groups = [attrs["data-crops"] for _, attrs in page.tags if "data-crops" in attrs]
    assert 1 < len(groups) <= 12 and "0 of" in page.text
    assert correct(client, verdict="right", item=groups[0].split(" ")).status_code == 200
    after = page_of(client, "/review")
    assert "1 of" in after.text
    assert groups[0] not in [attrs.get("data-crops") for _, attrs in after.tags]
    assert watched.now().review.estimate().reviewed == 1


def test_a_takedown_takes_the_index_along(editor, out):
    client, watched = editor
    crop = watched.now().database.rows(
        "SELECT url, name FROM crops WHERE outcome = 'kept' ORDER BY crop LIMIT 1"
    )[0]
    assert (out / ".view").is_dir()
    folder = Folder(out)
    entries = entries_of(folder, TakedownRequest(urls=[crop["url"]]))
    listed = Removals("ef" * 32).plus(date(2026, 1, 1), "request", entries)
    apply(folder, RemovalLists((listed,)), listed)
    assert not (out / ".view").exists()
    # Whoever looks meanwhile sees the build without it, and makes an index without it.
    assert count_of(page_of(client, f"/grid?find={quote(crop['url'])}")) == 0
    assert check_absence(folder, RemovalLists((listed,))).proven


def test_forgetting_features_takes_their_sums_along(editor, out):
    client, watched = editor
    assert len(client.get("/map.json").json()["x"]) > 0
    forget_features(Folder(out))
    assert not (out / ".view").exists()
    assert client.get("/map.json").json()["x"] == []
    person = watched.now().people_list["person"][0].as_py()
    assert "to the centre" not in page_of(client, f"/person/{person}").text
