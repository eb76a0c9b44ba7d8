"""Takedowns in a release: gone from every file, and the rest as it was."""

import json
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from pipelines.release.write import write_release
from pipelines.verify.run import verify
from tests.command_line import one_sentence, run
from webbody.releases.card import dated, read_card
from webbody.releases.release import Release

CARD = Path(__file__).parents[3] / "examples/release-card.yaml"


@pytest.fixture(scope="module")
def written(demo, tmp_path_factory):
    out = tmp_path_factory.mktemp("release") / "R"
    write_release(str(demo.out), str(out), dated(read_card(CARD), "2026-12-01"))
    return out


@pytest.fixture
def release(written, tmp_path):
    return shutil.copytree(written, tmp_path / "R")


def rows(folder) -> dict[str, dict]:
    found = pa.concat_tables(Release.read(folder).tables()).to_pylist()
    return {row["key"]: row for row in found}


def test_a_person_is_gone_and_all_others_are_as_they_were(release, written):
    before = rows(release)
    person = next(iter(before.values()))["person"]
    code, told, _ = run("takedown", release, "--person", str(person), "--check")
    assert code == 0, told
    after = rows(release)
    gone = {key for key, row in before.items() if row["person"] == person}
    assert gone and after == {key: row for key, row in before.items() if key not in gone}
    for path in release.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(before[key]["url"].encode() in data for key in gone)
        assert not any(key.encode() in data for key in gone)
        assert str(person).encode() not in data
    info = Release.read(release).info
    assert info.samples == len(after)
    assert info.people == len({row["person"] for row in after.values()})
    page = (release / "README.md").read_text()
    assert f"{len(gone)} samples taken down" in page
    assert f"A list of **{info.samples} images of {info.people} people**" in page
    assert f"{info.samples} images of" in (release / "croissant.json").read_text()
    assert verify(str(release)).clean
    assert "taken down before" in run("takedown", release, "--person", str(person))[1]
    sums = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=release, check=False)
    assert sums.returncode == 0
    pytest.importorskip("mlcroissant").Dataset(jsonld=str(release / "croissant.json"))


def test_a_domain_is_named_nowhere_any_more(release):
    code, told, _ = run("takedown", release, "--domain", "127.0.0.1")
    assert code == 0 and "Nothing is left in the release" in told
    page = (release / "README.md").read_text()
    assert "Nothing is left" in page and "0 images of 0 people" in page
    assert yaml.safe_load(page.split("---\n", 2)[1])["configs"] == []
    assert Release.read(release).info.samples == 0
    assert "127.0.0.1" not in (release / "domains.csv").read_text()
    assert json.loads((release / "figures.json").read_text())["samples"]["samples"] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--person", "1"), "no such person"),
        (("--person", "1", "--like", "x.jpg"), "are for builds"),
        (("--url", "http://a/b", "--reason", "because"), "it is one of request"),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(release, written, arguments, says):
    code, _, told = run("takedown", release, *arguments)
    assert code == 2
    assert says in told and one_sentence(told)
    for path in written.rglob("*"):
        if path.is_file():
            assert (release / path.relative_to(written)).read_bytes() == path.read_bytes()
