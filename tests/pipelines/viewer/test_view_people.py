"""Pages of people, pairs and the map on a real build, and search by one of its photos."""

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from test_view_pages import check_harmless, count_of, page_of
from viewer_client import client_of

from pipelines.viewer.index.viewed import WatchedBuild


@pytest.fixture(scope="module")
def real(demo, tmp_path_factory):
    """A client of a copy of the demo's build, and the build."""
    out = tmp_path_factory.mktemp("view") / "copy"
    shutil.copytree(demo.out, out)
    with WatchedBuild(str(out)) as build:
        yield client_of(build), build


@pytest.fixture(scope="module")
def someone(real) -> dict:
    rows = (
        real[1]
        .now()
        .database.rows(
            "SELECT person, count(*) AS images, any_value(name) AS name FROM crops "
            "WHERE outcome = 'kept' GROUP BY person ORDER BY images DESC LIMIT 1"
        )
    )
    return rows[0]


PAGES = ("/people", "/people?order=doubtful", "/people?page=99", "/pairs", "/map", "/search")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_and_harmless(real, path):
    check_harmless(page_text(real[0], path))


def page_text(client, path) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_every_outcome_counts_what_the_ledger_counts(real):
    client, build = real
    for step in build.now().funnel.steps:
        for reason in step.lost:
            sql = "SELECT count(DISTINCT coalesce(key, url || name || detail || outcome)) AS n "
            sql += "FROM crops WHERE row_outcome = ? OR starts_with(row_outcome, ?)"
            found = build.now().database.rows(sql, (reason.outcome, f"{reason.outcome}:"))
            assert found[0]["n"] <= reason.count  # rejected rows without a URL are not told apart
            assert count_of(page_of(client, f"/grid?row={reason.outcome}")) >= reason.count
    kept = build.now().database.rows("SELECT count(*) AS n FROM crops WHERE outcome = 'kept'")
    assert kept[0]["n"] == build.now().funnel.kept  # a row is kept for one crop here


def test_the_images_of_a_person_are_in_order(real, someone):
    client, _ = real
    path = f"/person/{someone['person']}"
    falling, rising = page_of(client, path), page_of(client, f"{path}?order=lowest")
    cosines = [float(one) for one in re.findall(r"([\d.-]+) to the centre", falling.text)]
    assert len(cosines) == someone["images"] and cosines == sorted(cosines, reverse=True)
    assert cosines[-1] > 0.3
    again = [float(one) for one in re.findall(r"([\d.-]+) to the centre", rising.text)]
    assert again == cosines[::-1]
    assert someone["name"] in falling.text and "Nearest others" in falling.text
    near = [float(one) for one in re.findall(r"cosine ([\d.-]+)", falling.text)]
    assert near == sorted(near, reverse=True)


def test_a_name_leads_to_its_people(real, someone):
    page = page_of(real[0], f"/name?name={someone['name']}")
    assert f"/person/{someone['person']}" in page.values("a", "href")
    page_of(real[0], "/name?name=nobody", 404)
    page_of(real[0], "/person/12345", 404)


def test_the_map_has_everybody_and_a_lasso_selects(real):
    client, build = real
    points = client.get("/map.json").json()
    people = build.now().database.rows(
        "SELECT count(DISTINCT person) AS n FROM crops WHERE person IS NOT NULL"
    )[0]["n"]
    assert len(points["x"]) == people > 2
    assert all(0 <= value <= 1 for value in points["x"] + points["y"])
    everything = count_of(page_of(client, "/grid?lasso=-9,-9,1009,-9,1009,1009,-9,1009"))
    half = count_of(page_of(client, "/grid?lasso=-9,-9,500,-9,500,1009,-9,1009"))
    other = count_of(page_of(client, "/grid?lasso=500,-9,1009,-9,1009,1009,500,1009"))
    assert half + other == everything > half > 0
    for wrong in ("1,2", "a,b,c,d,e,f", "1,2,3,4,5"):
        page_of(client, f"/grid?lasso={wrong}", 400)


def test_the_faces_of_a_person_are_on_a_map(real, someone):
    points = real[0].get(f"/map.json?person={someone['person']}").json()
    assert len(points["x"]) == someone["images"]
    assert real[0].get(points["link"][0].partition("#")[0]).status_code == 200


def test_a_photo_finds_its_person(real, someone):
    client, build = real
    row = build.now().database.rows(
        "SELECT shard, \"offset\", length FROM crops WHERE person = ? AND outcome = 'kept' "
        "ORDER BY similarity DESC LIMIT 1",
        (someone["person"],),
    )[0]
    tar = Path(build.now().build.folder.root) / f"persons/{row['shard']}.tar"
    photo = tar.read_bytes()[row["offset"] :][: row["length"]]
    secret = page_of(client, "/search").values("input", "value")[0]

    def search(data: bytes, secret: str = secret):
        files = {"photo": ("photo.jpg", data, "image/jpeg")}
        return client.post("/search", data={"secret": secret}, files=files)

    answer = search(photo)
    assert answer.status_code == 200
    people = re.findall(r'data-person="(\d+)"', answer.text)
    assert people[0] == str(someone["person"])
    assert search(b"no picture").status_code == 400
    assert search(photo, "wrong").status_code == 403
    assert search(b"x" * 20_100_000).status_code == 400


def test_pairs_stand_side_by_side(real):
    client, _ = real
    page = page_of(client, "/pairs")
    decisions = [link for link in page.values("a", "href") if link.startswith("/pairs?decision")]
    assert decisions
    for link in decisions:
        shown = page_of(client, link)
        assert len(shown.values("img", "src")) >= 2, link
        check_harmless(page_text(client, link))


def test_near_copies_are_shown(real, monkeypatch):
    client, build = real
    viewed = build.now()
    crops = viewed.database.rows("SELECT crop, person FROM crops WHERE outcome = 'kept' LIMIT 2")
    (one, person), (other, _) = ((row["crop"], row["person"]) for row in crops)
    rows = {
        "crop_a": [one, one], "crop_b": [other, None], "person_a": [person, None],
        "person_b": [None, None], "gallery": [None, "lfw<b>"], "identity": [None, "7"],
        "bits": [3, 0], "similarity": [0.4, None], "decision": ["told", "dropped"],
    }  # fmt: skip
    of_all = viewed.table_of_all
    monkeypatch.setattr(
        viewed,
        "table_of_all",
        lambda stage, name, schema: (
            pa.table(rows, schema) if name == "near-copies" else of_all(stage, name, schema)
        ),
    )
    page = page_of(client, "/pairs?decision=near+copies")
    assert "near copies 2" in page.text and "lfw<b>: 7" in page.text
    assert len(page.values("img", "src")) == 3
