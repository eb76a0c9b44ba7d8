"""Releases of a finished build: what is in them, what never is, and what is refused."""

import hashlib
import json
import shutil
import subprocess
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from made_tables import put

from pipelines.build import build
from pipelines.engine.graph import FROM_NAMES
from pipelines.engine.upkeep import evict
from pipelines.identity.perceptual_hash import perceptual_hash
from pipelines.identity.person_ids import PersonIds
from pipelines.release.write import write_release
from tests.command_line import one_sentence
from tests.command_line import run as command
from webbody.build_records import BuildRecords
from webbody.commit import Record
from webbody.config import load
from webbody.errors import WebbodyError
from webbody.images import decode
from webbody.releases.card import Card, dated, read_card
from webbody.releases.format import SCHEMA
from webbody.releases.release import Release
from webbody.releases.writing import digest_of_shards
from webbody.removals import Removals
from webbody.shards import read_members
from webbody.storage import Folder

CARD = Path(__file__).parents[3] / "examples/release-card.yaml"
FILES = {
    "CITATION.cff", "README.md", "SHA256SUMS", "changes.json", "changes.parquet",
    "croissant.json", "data/test-00000.parquet", "data/train-00000.parquet", "domains.csv",
    "figures.json", "release.json", "removals.parquet",
}  # fmt: skip
PLAIN = {pa.string(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.date32()}


def card(**changes) -> Card:
    return dated(read_card(CARD), "2026-12-01").model_copy(update=changes)


@pytest.fixture(scope="module")
def release(demo, tmp_path_factory):
    out = tmp_path_factory.mktemp("release") / "R"
    write_release(str(demo.out), str(out), card())
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def samples(folder) -> list[dict]:
    return pa.concat_tables(Release.read(folder).tables()).to_pylist()


def plan_rows(demo) -> list[dict]:
    names = [p for p in (demo.out / "plan").glob("*.parquet") if p.stem != "rejected"]
    return [row for name in names for row in pq.read_table(name).to_pylist()]


def test_rows_say_what_the_packed_samples_say(demo, release):
    packed = {}
    for path in (demo.out / "pack").glob("*.tar"):
        with path.open("rb") as file:
            found = dict(read_members(file))
        packed |= {n: json.loads(data) for n, data in found.items() if n.endswith(".json")}
    rows = {f"{row['key']}.json": row for row in samples(release)}
    assert set(rows) == set(packed) and len(rows) > 20
    for name, row in rows.items():
        for same in ("key", "person", "split", "url", "sha256", "width", "height", "box"):
            assert row[same] == packed[name][same]
        flat = [value for point in packed[name]["keypoints"] for value in point]
        assert [round(value, 2) for value in row["keypoints"]] == flat


def test_what_servers_said_and_how_photos_look_are_passed_on(demo, release):
    rows = {row["url"]: row for row in samples(release)}
    hashes = 0
    for path in (demo.out / "download").glob("????????.parquet"):
        said = pq.read_table(path.with_suffix(".answers.parquet")).to_pylist()
        days = {one["key"]: one["fetched"] for one in said}
        data = path.with_suffix(".tar").read_bytes()
        for told in pq.read_table(path).to_pylist():
            row = rows.get(told["url"])
            if row is None or told["offset"] is None:
                continue
            assert row["fetched"] == days[told["key"]] is not None
            picture = data[told["offset"] : told["offset"] + told["length"]]
            assert row["sha256"] == hashlib.sha256(picture).hexdigest()
            assert row["phash"] == perceptual_hash(decode(picture))
            hashes += 1
    assert hashes == len(rows)
    assert {row["opt_out"] for row in rows.values()} == {None}
    assert {row["source"] for row in rows.values()} == {"drawn-people"}


def test_release_json_says_how_to_pack_again(demo, release):
    info = Release.read(release).info
    rows = samples(release)
    assert (info.samples, info.people) == (len(rows), len({row["person"] for row in rows}))
    assert (info.name, info.version, info.created) == ("drawn-people", "1.0.0", date(2026, 12, 1))
    assert (info.pack.size, info.pack.quality, info.shuffle.seed) == (384, 90, 0)
    index = json.loads((demo.out / "pack/index.json").read_text())["splits"]
    tars = [shard["sha256"] for split in index.values() for shard in split["shards"]]
    assert info.data_digest == digest_of_shards(tars)
    assert info.shuffle.shards == {s: len(split["shards"]) for s, split in index.items()}


def test_a_build_from_it_gives_the_publishers_shards(demo, release, in_process, tmp_path):
    config = load(
        None,
        [f"manifest={release}", f"out={tmp_path / 'again'}", "download.allow_private=[127.0.0.1]"],
    )
    assert build(config).complete
    tars = (tmp_path / "again/pack").glob("*.tar")
    again = digest_of_shards(hashlib.sha256(tar.read_bytes()).hexdigest() for tar in tars)
    assert again == Release.read(release).info.data_digest


def test_no_name_no_feature_and_no_pixel_is_anywhere(demo, release):
    assert set(files(release)) == FILES
    names = {row["name"] for row in pq.read_table(demo.config.manifest).to_pylist()} - {None, ""}
    assert len(names) == 8
    texts = []
    for name, data in files(release).items():
        texts.append(data.decode("utf-8", "replace"))
        if name.endswith(".parquet"):
            table = pq.read_table(release / name)
            for field in table.schema:
                kind = field.type.value_type if pa.types.is_list(field.type) else field.type
                assert kind in PLAIN
                if pa.types.is_list(field.type):
                    lengths = pa.compute.list_value_length(table[field.name])
                    assert pa.compute.max(lengths).as_py() <= 57
            texts += [str(row) for row in table.to_pylist()]
            texts.append(str(table.schema.metadata))
    whole = "\n".join(texts).casefold()
    parts = {part for name in names for part in (name, name.split()[0], name.split()[-1])}
    assert not {part for part in parts if len(part) > 3 and part.casefold() in whole}
    for path in (str(demo.out), str(demo.web), str(release.parent)):
        assert path.casefold() not in whole
    assert pq.read_schema(release / "data/train-00000.parquet").equals(SCHEMA)


def test_person_ids_follow_from_no_name_or_url_without_the_key(demo, release):
    """A reasonable family of functions of what a plan holds, as whoever attacks would try them."""
    ids = {row["person"] for row in samples(release)}
    keys = {row["url"]: row["key"] for row in samples(release)}
    texts = set()
    for row in plan_rows(demo):
        url, name = row["url"], row["name"]
        whole = (url, name, name.lower(), f"{url}\0{name}", f"{name}\0{url}", row["key"])
        sample = keys.get(url, "")
        texts |= {*whole, hashlib.sha256(url.encode()).hexdigest(), sample, f"{sample}\0\0"}
        texts |= {f"{name}\0{sample}", f"{sample}\0{name}"}
    makers = [hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.blake2b]
    makers += [
        lambda text, n=size, p=who: hashlib.blake2b(text, digest_size=n, person=p)
        for size in (6, 8, 10, 16, 32)
        for who in (b"", b"person id", b"person key")
    ]
    tried = set()
    for text in texts:
        for make in makers:
            digest = make(text.encode()).digest()
            for start in (0, len(digest) - 6):
                cut = digest[start : start + 6]
                tried |= {int.from_bytes(cut, order) for order in ("big", "little")}
            for order in ("big", "little"):
                eight = int.from_bytes(digest[:8], order)
                tried |= {eight >> 16, eight & ((1 << 48) - 1), eight >> 1}
    assert len(tried) > 10_000 and not tried & ids

    # With the key, which is the manifest's digest in this build, the same guess is right.
    text = json.loads((demo.out / "build.json").read_text())["sha256"]
    secret = hashlib.blake2b(text.encode(), person=b"person key").digest()
    own = [(row["key"], row["person"]) for row in samples(release)]
    anchors = np.array([key for key, _ in own], "S20")
    _, group = np.unique([person for _, person in own], return_inverse=True)
    assert set(PersonIds().assign(anchors, group, secret).tolist()) == ids


def test_equal_builds_cards_and_days_give_equal_bytes(demo, release, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(demo.out, copy)
    write_release(str(copy), str(tmp_path / "R"), card())
    assert files(tmp_path / "R") == files(release)


def test_rows_are_the_same_however_few_are_sorted_in_memory(demo, release, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.release.samples._CHUNK", 3)
    write_release(str(demo.out), str(tmp_path / "R"), card())
    assert files(tmp_path / "R") == files(release)


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


def test_a_folder_from_before_the_side_table_gives_nulls_and_says_so(demo, tmp_path):
    out = tmp_path / "build"
    shutil.copytree(demo.out, out)
    for path in (out / "download").glob("*.json"):
        record = Record.from_json(path.read_bytes())
        outputs = {n: o for n, o in record.outputs.items() if "answers" not in n}
        path.write_bytes(Record(**{**record.__dict__, "outputs": outputs}).to_json())
    for path in (out / "download").glob("*.answers.parquet"):
        path.unlink()
    made = write_release(str(out), str(tmp_path / "R"), card())
    assert any("older version" in note for note in made.notes)
    rows = samples(tmp_path / "R")
    assert {row["fetched"] for row in rows} == {None}
    assert "was not noted" in (tmp_path / "R/README.md").read_text()


def test_bulky_files_may_be_gone(demo, release, tmp_path):
    out = tmp_path / "build"
    shutil.copytree(demo.out, out)
    evict(Folder(out), FROM_NAMES, BuildRecords(Folder(out)).shards)
    assert not list((out / "persons").glob("*.tar"))
    write_release(str(out), str(tmp_path / "R"), card())
    assert files(tmp_path / "R") == files(release)


def test_an_unfinished_build_is_refused(demo, tmp_path):
    out = tmp_path / "build"
    shutil.copytree(demo.out, out)
    next((out / "pack").glob("test-*.json")).unlink()
    code, _, error = command("release", out, "--out", tmp_path / "R", "--card", CARD)
    assert code == 2 and one_sentence(error) and "is not complete" in error
    assert not (tmp_path / "R").exists()
    code, _, error = command("release", tmp_path / "no", "--out", tmp_path / "R", "--draft")
    assert code == 2 and "holds no build" in error


def test_what_is_there_is_not_overwritten(demo, tmp_path):
    out = tmp_path / "R"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    for more in ((), ("--replace",)):
        code, _, error = command("release", demo.out, "--out", out, "--card", CARD, *more)
        assert code == 2 and one_sentence(error)
        assert (out / "mine.txt").read_text() == "precious"
    (out / "mine.txt").unlink()
    assert command("release", demo.out, "--out", out, "--card", CARD)[0] == 0
    code, _, error = command("release", demo.out, "--out", out, "--card", CARD)
    assert code == 2 and "--replace" in error
    again = ("release", demo.out, "--out", out, "--card", CARD, "--replace")
    assert command(*again, "--date", "2027-01-01")[0] == 0
    assert Release.read(out).info.created == date(2027, 1, 1)
    code, _, error = command("release", demo.out, "--out", out, "--draft", "--replace")
    assert code == 2 and "of drawn-people, not of R" in error
    assert [path.name for path in tmp_path.iterdir()] == ["R"]


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


def test_known_harm_refuses_the_release_and_is_listed(demo, release, tmp_path):
    rows = samples(release)
    bits = np.array([rows[3]["phash"]]).view(np.uint64)[0] ^ np.uint64(1 << 63 | 1)
    listing = tmp_path / "harm.txt"
    listing.write_text(f"# known\n{rows[0]['sha256'].upper()}\n\n{int(bits):016x}\n{'0' * 64}\n")
    out = tmp_path / "R"
    code, _, error = command(
        "release", demo.out, "--out", out, "--card", CARD, "--refuse-hashes", listing
    )
    assert code == 2 and one_sentence(error) and "known harm" in error and "R.refused.csv" in error
    assert not out.exists()
    found = (tmp_path / "R.refused.csv").read_text()
    expected = [r for r in rows if r["sha256"] == rows[0]["sha256"]]
    expected += [r for r in rows if r["phash"] == rows[3]["phash"] and r not in expected]
    assert {line.split(",")[0] for line in found.splitlines()[1:]} == {r["key"] for r in expected}
    assert f"{len(expected)} samples" in error
    listing.write_text("f" * 64)
    assert command(
        "release", demo.out, "--out", out, "--card", CARD, "--refuse-hashes", listing
    )[0] == 0  # fmt: skip


def test_removals_go_along_and_are_never_released_again(demo, release, tmp_path):
    day = date(2026, 12, 2)
    out = tmp_path / "build"
    shutil.copytree(demo.out, out)
    removed = Removals("1" * 64).plus(day, "request", [("url", "https://gone.org/a.jpg"),
                                                        ("name", "somebody")])  # fmt: skip
    removed.write(Folder(out))
    write_release(str(out), str(tmp_path / "R1"), card())
    listed = pq.read_table(tmp_path / "R1/removals.parquet").to_pylist()
    assert [row["scope"] for row in listed] == ["url"]
    removed.plus(day, "request", [("person", samples(release)[0]["person"])]).write(Folder(out))
    with pytest.raises(WebbodyError, match="taken down") as caught:
        write_release(str(out), str(tmp_path / "R2"), card())
    own = [r for r in samples(release) if r["person"] == samples(release)[0]["person"]]
    assert f"{len(own)} samples that were taken down" in str(caught.value)
    # The build's own list is empty: what the version before had goes on, and holds.
    kept = tmp_path / "R3"
    write_release(str(demo.out), str(kept), card(version="2"), previous=str(tmp_path / "R1"))
    assert pq.read_table(kept / "removals.parquet").to_pylist() == listed


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
