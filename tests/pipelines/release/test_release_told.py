"""What a release says of itself: page, Croissant, citation, difference to the version before."""

import json
import shutil
import subprocess
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from made_tables import put
from written_release import FILES, card, samples

from pipelines.build import build
from pipelines.release.write import write_release
from tests.command_line import one_sentence
from tests.command_line import run as command
from webbody.errors import WebbodyError
from webbody.releases.card import Card
from webbody.releases.release import Release
from webbody.storage import Folder


def test_sums_are_those_of_every_other_file(release):
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=release, capture_output=True)
    assert done.returncode == 0
    listed = {line.split("  ")[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    assert listed == FILES - {"SHA256SUMS"}


def test_the_card_tells_the_funnel_and_the_figures(demo, release):
    text = (release / "README.md").read_text()
    told = json.loads((release / "figures.json").read_text())
    assert told["build"]["outcomes"] == demo.result.outcomes
    for outcome, count in demo.result.outcomes.items():
        assert f"| `{outcome}` | {count:,} |" in text
    rows = samples(release)
    people = {}
    for row in rows:
        people[row["person"]] = people.get(row["person"], 0) + 1
    assert sum(told["samples"]["images_a_person"]["people"].values()) == len(people)
    assert told["samples"]["images_a_person"]["mean"] == round(len(rows) / len(people), 2)
    seen = [row["keypoints"][3 * 18 + 2] > 0 for row in rows]  # the right ankle
    assert f"{100 * sum(seen) / len(rows):.2f} | 16.98 | 17.00 |" in text
    assert sum(told["build"]["face_side"]["samples"].values()) == len(rows)
    assert told["build"]["galleries"] == ["demo"]
    assert "DRAFT" not in text
    for said in ("removals@example.org", "CC-BY-4.0", "was **targeted**", "identities.similar"):
        assert said in text


def test_the_hub_reads_the_page_and_datasets_reads_the_rows(release, tmp_path, monkeypatch):
    _, header, _ = (release / "README.md").read_text().split("---\n", 2)
    about = yaml.safe_load(header)
    assert about["license"] == "cc-by-4.0" and about["size_categories"] == ["n<1K"]
    assert about["extra_gated_prompt"] and "checkbox" in about["extra_gated_fields"].values()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    data = load_dataset(str(release), cache_dir=str(tmp_path))
    rows = samples(release)
    for split in ("train", "test"):
        assert data[split].to_list() == [row for row in rows if row["split"] == split]


def test_the_folder_of_shards_loads_as_pictures(demo, release, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    data = load_dataset(str(demo.out / "pack"), cache_dir=str(tmp_path))
    rows = {row["key"]: row for row in samples(release)}
    assert set(data) == {"train", "test"} and sum(map(len, data.values())) == len(rows)
    for split, some in data.items():
        for one in some:
            row = rows[one["__key__"]]
            assert (row["split"], row["person"]) == (split, one["cls"])
            assert max(one["jpg"].size) == 384


@pytest.mark.parametrize("draft", [False, True])
def test_croissant_is_valid_and_gives_the_rows(demo, release, tmp_path, draft):
    mlcroissant = pytest.importorskip("mlcroissant")
    if draft:
        release = tmp_path / "draft"
        write_release(str(demo.out), str(release), Card(), draft=True)
    data = mlcroissant.Dataset(jsonld=str(release / "croissant.json"))
    assert not data.metadata.ctx.issues.errors
    assert draft or not data.metadata.ctx.issues.warnings
    rows = [row for row in samples(release) if row["split"] == "test"]
    found = [
        {name.split("/")[1]: value for name, value in record.items()}
        for record in data.records("test")
    ]
    for row, other in zip(rows, found, strict=True):
        assert row["key"].encode() == other["key"] and row["person"] == other["person"]
        assert np.allclose(row["keypoints"], other["keypoints"])
    whole = json.loads((release / "croissant.json").read_text())
    assert whole["conformsTo"][0].endswith("croissant/1.1")
    digests = {f["@id"]: f["sha256"] for f in whole["distribution"] if "sha256" in f}
    assert digests == {n: f.sha256 for n, f in Release.read(release).files.items()}


def test_citation_has_what_the_format_asks_for(release):
    about = yaml.safe_load((release / "CITATION.cff").read_text())
    assert about["cff-version"] == "1.2.0" and about["type"] == "dataset"
    assert about["authors"][0] == {
        "family-names": "Doe", "given-names": "Jane", "affiliation": "A University",
    }  # fmt: skip
    assert about["date-released"] == date(2026, 12, 1)
    assert Release.read(release).info.data_digest in about["identifiers"][0]["value"]


def test_a_later_version_tells_what_changed(demo, release, in_process, tmp_path):
    """Fewer test people, and a person to validate: samples move, nothing else does."""
    out = tmp_path / "build"
    shutil.copytree(demo.out, out)
    assert build(demo.settings(out, "split.test_people=1", "split.validation_people=1")).complete
    later = tmp_path / "R"
    with pytest.raises(WebbodyError, match="raise the version"):
        write_release(str(out), str(later), card(), previous=str(release))
    write_release(str(out), str(later), card(version="1.1.0"), previous=str(release))
    before = {row["key"]: row["split"] for row in samples(release)}
    now = {row["key"]: row["split"] for row in samples(later)}
    moved = {key for key in now if before[key] != now[key]}
    assert moved
    table = pq.read_table(later / "changes.parquet").to_pylist()
    assert {row["key"] for row in table if row["change"] == "moved"} == moved
    assert {row["change"] for row in table} == {"moved"}
    told = json.loads((later / "changes.json").read_text())
    assert (told["from"], told["to"], told["moved"]) == ("1.0.0", "1.1.0", len(moved))
    assert f"{len(moved)} moved to another" in (later / "README.md").read_text()
    assert Release.read(later).info.previous.version == "1.0.0"
    assert {row["split"] for row in samples(later)} == {"train", "validation", "test"}
    about = yaml.safe_load((later / "README.md").read_text().split("---\n", 2)[1])
    assert [one["split"] for one in about["configs"][0]["data_files"]] == [
        "train", "validation", "test",
    ]  # fmt: skip
    with pytest.raises(WebbodyError, match="of drawn-people, not of other"):
        write_release(str(out), str(tmp_path / "x"), card(name="other"), previous=str(release))


def test_a_draft_says_so_at_the_top_and_what_is_missing(demo, tmp_path):
    out = tmp_path / "R"
    code, text, error = command("release", demo.out, "--out", out)
    assert code == 2 and one_sentence(error) and "legal_basis" in error
    code, text, _ = command("release", demo.out, "--out", out, "--draft")
    assert code == 0 and "DRAFT" in text
    first = (out / "README.md").read_text().split("---\n", 2)[2].strip().splitlines()
    assert first[0] == "# R 0" and first[2].startswith("> **DRAFT, not for publication.**")
    assert "legal_basis" in first[2]
    assert Release.read(out).info.draft


def test_an_untargeted_collection_is_spoken_of(demo, tmp_path):
    made = write_release(str(demo.out), str(tmp_path / "R"), card(collection="untargeted"))
    assert any("5(1)(e)" in note for note in made.notes)
    assert "forbids" in (tmp_path / "R/README.md").read_text()


def test_signals_that_a_build_did_not_honour_are_told(demo, tmp_path):
    out = tmp_path / "build"
    shutil.copytree(demo.out, out)
    shard = next((out / "download").glob("*.answers.parquet")).name.split(".")[0]
    table = pq.read_table(out / f"download/{shard}.answers.parquet")
    rights = pa.array([["x-robots-tag: noai"]] * len(table), pa.list_(pa.string()))
    columns = {n: table[n] for n in table.column_names} | {"rights": rights}
    put(Folder(out), "download", f"{shard}.answers", **columns)
    write_release(str(out), str(tmp_path / "R"), card())
    count = [row["opt_out"] for row in samples(tmp_path / "R")].count("x-robots-tag: noai")
    assert count > 0
    assert f"Of the samples {count} came with a signal" in (tmp_path / "R/README.md").read_text()
