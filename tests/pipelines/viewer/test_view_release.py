"""A release in the browser: what is in it, without pictures, and nothing of a damaged one."""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from starlette.testclient import TestClient
from viewer_client import HOST
from written_release import card

from pipelines.release.write import write_release
from pipelines.viewer.editing import Editing
from pipelines.viewer.release_site import ReleaseSite, SampleFilter
from pipelines.viewer.security import Gate
from pipelines.viewer.server import view
from webbody.errors import WebbodyError
from webbody.releases.release import Release


@pytest.fixture(scope="module")
def released(demo, tmp_path_factory):
    out = tmp_path_factory.mktemp("viewed-release") / "R"
    write_release(str(demo.out), str(out), card())
    return out


def client_of_release(folder) -> TestClient:
    client = TestClient(ReleaseSite(Release.read(folder), Gate(8123, "a-token")).app(), HOST)
    assert client.get("/").status_code == 403
    assert client.get("/?enter=a-token").status_code == 200
    return client


def test_every_page_shows_what_the_release_holds(released) -> None:
    client, release = client_of_release(released), Release.read(released)
    first = client.get("/").text
    assert f">{release.info.samples:,}</a>" in first and f"{release.info.people:,}" in first
    assert "cluster:noise" in first and "train-00000.parquet" in first
    assert "Rebuilding the data set" in client.get("/card").text
    table = pa.concat_tables(release.tables())
    shown = "".join(client.get(f"/samples?page={page}").text for page in (1, 2, 3))
    for person in set(table["person"].to_pylist()):
        assert f"/samples?person={person}" in shown
    assert "http://127.0.0.1" in shown and 'href="http' not in shown and "<img" not in shown


def test_samples_are_chosen_by_what_they_say(released) -> None:
    client, release = client_of_release(released), Release.read(released)
    table = pa.concat_tables(release.tables())
    person = table["person"][0].as_py()
    count = table["person"].to_pylist().count(person)
    assert client.get(f"/samples?person={person}").text.count("<tr><td>") == count
    assert client.get("/samples?host=nowhere.example").text.count("<tr><td>") == 0
    tests = table["split"].to_pylist().count("test")
    assert client.get("/samples?split=test").text.count("<tr><td>") == min(tests, 100)
    assert client.get("/samples?page=9999").text.count("<tr><td>") == 0


@pytest.mark.parametrize("address", ["/samples?person=x", "/samples?split=mine"])
def test_what_cannot_be_answered_is_told(released, address: str) -> None:
    answer = client_of_release(released).get(address)
    assert answer.status_code == 400 and "This cannot be answered" in answer.text


def test_nothing_of_a_changed_file_is_shown(released, tmp_path) -> None:
    shutil.copytree(released, tmp_path / "R")
    file = next((tmp_path / "R" / "data").glob("train-*.parquet"))
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    answer = client_of_release(tmp_path / "R").get("/samples?split=train")
    assert answer.status_code == 400 and "its sha256 is another" in answer.text


def test_a_strangers_texts_stay_texts(released, tmp_path) -> None:
    shutil.copytree(released, tmp_path / "R")
    (tmp_path / "R" / "domains.csv").write_text("domain,samples\n<script>x</script>,1\n")
    (tmp_path / "R" / "figures.json").write_text('{"samples": 3, "build": {"outcomes": [1]}}')
    (tmp_path / "R" / "README.md").write_text("<img src=x>\x1b[31m")
    client = client_of_release(tmp_path / "R")
    assert "&lt;script&gt;" in client.get("/").text and "<script>x" not in client.get("/").text
    assert "<img" not in client.get("/card").text


@pytest.mark.parametrize(
    "figures",
    [
        '{"samples": {"splits": [1], "opt_out": "x"}, "build": {"rows": "x", "outcomes": "x"}}',
        '{"samples": {"splits": {"train": {}, "test": 3}}, "build": {"outcomes": {"a": "b"}}}',
        "[]", "{", '"x"',
    ],
)  # fmt: skip
def test_figures_of_another_shape_break_no_page(released, tmp_path, figures: str) -> None:
    shutil.copytree(released, tmp_path / "R")
    (tmp_path / "R" / "figures.json").write_text(figures)
    assert client_of_release(tmp_path / "R").get("/").status_code == 200


def test_a_pipe_or_a_loop_in_the_place_of_a_file_is_told(released, tmp_path) -> None:
    shutil.copytree(released, tmp_path / "R")
    client = client_of_release(tmp_path / "R")
    data = next((tmp_path / "R" / "data").glob("test-*.parquet"))
    for make in (os.mkfifo, lambda path: path.symlink_to(path.name), Path.mkdir):
        data.unlink()
        make(data)
        answer = client.get("/samples?split=test")
        assert answer.status_code == 400 and "fetch the release again" in answer.text
        if data.is_dir():
            data.rmdir()
            data.touch()
    for name in ("figures.json", "README.md", "domains.csv"):
        (tmp_path / "R" / name).unlink(missing_ok=True)
        os.mkfifo(tmp_path / "R" / name)
    assert client.get("/").status_code == client.get("/card").status_code == 200


def test_the_first_of_many_hosts_are_shown(released, tmp_path) -> None:
    shutil.copytree(released, tmp_path / "R")
    lines = ["domain,samples", "first.example,9", *(f"host{n}.example,1" for n in range(90_000))]
    (tmp_path / "R" / "domains.csv").write_text("\n".join(lines))
    assert "first.example" in client_of_release(tmp_path / "R").get("/").text


def test_a_card_that_is_too_long_is_not_shown_in_part(released, tmp_path) -> None:
    shutil.copytree(released, tmp_path / "R")
    (tmp_path / "R" / "README.md").write_text("\u4eba" * 500_000, "utf-8")  # 1.5 MB
    assert "\u4eba" not in client_of_release(tmp_path / "R").get("/card").text


def test_a_host_is_a_whole_host() -> None:
    table = pa.table({"url": ["http://a.example/1", "http://b.example/a.example"]})
    assert SampleFilter(host="a.example").chosen(table).num_rows == 1
    assert SampleFilter(url="A.EXAMPLE").chosen(table).num_rows == 2


def test_a_release_is_not_corrected_and_nothing_is_not_viewed(released, tmp_path) -> None:
    editing = Editing(str(released), "me")
    for nothing, told in ((tmp_path / "none", "no such folder"), (tmp_path, "holds no build, rel")):
        with pytest.raises(WebbodyError, match=told):
            view(str(nothing), 0, None, lambda done, number: None, pytest.fail)
    with pytest.raises(WebbodyError, match="leave out --edit"):
        view(str(released), 0, editing, lambda done, number: None, pytest.fail)
