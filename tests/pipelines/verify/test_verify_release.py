"""Verifying releases: damage, wrong rows, and what should not be published."""

import hashlib
import json
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from flipping import flip
from made_up_release import make_release, sample

from pipelines.verify.findings import SampleDraw
from pipelines.verify.run import verify
from tests.command_line import run
from webbody.errors import WebbodyError
from webbody.releases.changes import SCHEMA, summary
from webbody.releases.figures import count
from webbody.releases.release import Release
from webbody.removals import Removals
from webbody.sample_keys import packed_key
from webbody.storage import Folder

PEOPLE = {1: 4, 2: 3, 3: 5, 4: 2, 6: 3}


def sums(folder: Path) -> None:
    """SHA256SUMS as `sha256sum` writes it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder)}\n" for p in files
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))


def card(folder: Path) -> None:
    """The figures of a card, which `webbody release` counts while it writes."""
    counted = count(Release.read(folder).tables())
    (folder / "figures.json").write_text(json.dumps({"samples": counted.to_json()}))
    rows = [f"{name},{n}\n" for name, n in domain_table_rows(counted.domains)]
    (folder / "domains.csv").write_text("domain,samples\n" + "".join(rows))
    nothing = SCHEMA.empty_table()
    pq.write_table(nothing, folder / "changes.parquet")
    (folder / "changes.json").write_text(json.dumps(summary(nothing)))


def domain_table_rows(domains):
    return sorted(domains.items(), key=lambda item: (-item[1], item[0]))


def croissant(folder: Path, info) -> None:
    files = [
        {"@type": "cr:FileObject", "contentUrl": name, "sha256": file.sha256}
        for name, file in info.files.items()
    ]
    said = {"version": info.version, "distribution": files}
    (folder / "croissant.json").write_text(json.dumps(said))


@pytest.fixture
def release(tmp_path, monkeypatch):
    """Writes a release; its path. `change` alters each row."""
    monkeypatch.setattr("pipelines.verify.release.validate", lambda folder: ([], "not asked"))

    def write(change=dict, people=PEOPLE):
        folder = tmp_path / "r"
        croissant(folder, make_release(folder, people, change))
        try:
            card(folder)
        except (ValueError, TypeError, AttributeError, KeyError, WebbodyError):
            (folder / "figures.json").write_text("{}")  # of rows that cannot be counted
        sums(folder)
        return folder

    return write


def lines_of(folder, **options):
    return [f"{one.severity}: {one.line}" for one in verify(str(folder), **options).findings]


def test_a_release_as_published_is_clean(release):
    found = verify(str(release()))
    assert found.findings == [] and found.kind == "release" and found.notes == ["not asked"]
    assert found.files == 8


def test_every_flipped_byte_is_found(release):
    folder = release()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        for place in range(0, len(content), max(1, len(content) // 12)):
            flip(path, place, place % 8)
            try:
                assert not verify(str(folder)).clean
            except WebbodyError:
                assert path.name == "release.json"
            path.write_bytes(content)


def test_files_that_are_gone_or_not_listed(release):
    folder = release()
    (folder / "data" / "train-00000.parquet").unlink()
    (folder / "notes.txt").write_text("x")
    lines = lines_of(folder)
    assert any("data/train-00000.parquet: is missing" in line for line in lines)
    assert any(line.startswith("warning: SHA256SUMS: does not list notes.txt") for line in lines)
    (folder / "SHA256SUMS").unlink()
    assert any("SHA256SUMS: is missing" in line for line in lines_of(folder))


def test_a_list_that_leads_out_of_the_release_is_refused(release):
    folder = release()
    with (folder / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  ../outside\n{'0' * 64}  /etc/passwd\n")
    (line,) = [line for line in lines_of(folder) if "SHA256SUMS" in line]
    assert "line 9, 10" in line


def test_digests_that_disagree(release):
    folder = release()
    info = json.loads((folder / "release.json").read_text())
    info["files"]["data/train-00000.parquet"]["sha256"] = "0" * 64
    (folder / "release.json").write_text(json.dumps(info))
    sums(folder)
    lines = lines_of(folder)
    assert any("release.json: and SHA256SUMS have different digests" in line for line in lines)
    assert any("croissant.json: describes other data files" in line for line in lines)


def keyed(row, url):
    """The row with another URL and the key that belongs to it."""
    sides = [row["width"], row["height"]] * 2
    area = [round(part * side) for part, side in zip(row["box"], sides, strict=True)]
    return {**row, "url": url, "key": packed_key(url, area)}


WRONG = {
    "have a key that is not that": lambda row: {**row, "key": "0" * 19 + f"{row['phash'] % 10}"},
    "have a box that is not inside": lambda row: {**row, "box": [0.0, 0.0, 1.5, 1.0]},
    "have another number of values in box": lambda row: {**row, "box": [0.0, 0.0, 1.0]},
    "have another number of values in keypoints": lambda row: {**row, "keypoints": [1.0] * 56},
    "have keypoints that are no numbers": lambda row: {**row, "keypoints": [float("nan")] * 57},
    "have a URL that is none": lambda row: keyed(row, f"ftp://example.org/{row['phash']}"),
    "have no sha256 as it should be": lambda row: {**row, "sha256": row["sha256"].upper()},
    "have no url": lambda row: {**row, "url": None},
    "have a negative person": lambda row: {**row, "person": -5},
    "are of another split": lambda row: {**row, "split": "valid"},
    "have no width and height": lambda row: {**row, "width": 0},
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_rows_are_told(release, what):
    wrong = WRONG[what]

    def change(row):
        return wrong(row) if row["phash"] == 2 * 7919 else row

    folder = release(change)
    lines = [line for line in lines_of(folder) if what in line]
    assert len(lines) == 1 and lines[0].startswith("error: data/train-00000.parquet: 1 rows ")


def test_rows_without_a_person_are_told(release):
    folder = release()
    path = folder / "data" / "train-00000.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[3]["person"] = rows[3]["box"] = None
    pq.write_table(type(table).from_pylist(rows, table.schema), path)
    lines = rewritten(folder)
    assert any("1 rows have no person (row 3)" in line for line in lines)
    assert any("1 rows have no box (row 3)" in line for line in lines)


def test_rows_in_another_order(release):
    folder = release()
    path = folder / "data" / "train-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take(list(range(len(table)))[::-1]), path)
    assert any("are not in the order of person and key" in line for line in rewritten(folder))


def rewritten(folder):
    """The findings once the release's digests are those of its files as they are now."""
    info = json.loads((folder / "release.json").read_text())
    for name in info["files"]:
        data = (folder / name).read_bytes()
        info["files"][name] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "rows": pq.read_metadata(folder / name).num_rows,
        }
    (folder / "release.json").write_text(json.dumps(info))
    sums(folder)
    return lines_of(folder)


def test_changed_columns_and_counts(release):
    folder = release()
    path = folder / "data" / "train-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    assert any("samples is 17, and its files hold 16 rows" in line for line in rewritten(folder))
    pq.write_table(
        table.rename_columns(["name" if n == "etag" else n for n in table.schema.names]), path
    )
    assert any(
        "has changed columns" in line and "etag is missing" in line for line in rewritten(folder)
    )


def test_figures_that_are_not_those_of_the_rows(release):
    folder = release()
    said = json.loads((folder / "figures.json").read_text())
    said["samples"]["visible"]["nose"] += 0.01
    said["samples"]["people"] += 1
    (folder / "figures.json").write_text(json.dumps(said))
    (folder / "domains.csv").write_text("domain,samples\nexample.org,3\n")
    (folder / "changes.json").write_text('{"added": 7}')
    sums(folder)
    lines = lines_of(folder)
    assert len(lines) == 3
    assert any(
        "figures.json: has other figures than the rows (people, visible)" in x for x in lines
    )
    assert any("domains.csv: has other domains" in line for line in lines)
    assert any("changes.json: has other counts" in line for line in lines)


def test_people_in_two_splits_and_with_one_image(release):
    folder = release(people={1: 1, 2: 3, 3: 2})
    assert [line for line in lines_of(folder) if "figures" not in line] == [
        "warning: data: 1 of 3 people have one image; nobody can be recognised in a single image: "
        "leave them out where pairs are needed"
    ]
    path = folder / "data" / "test-00000.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[0]["person"] = 2
    table = pq.read_table(path)
    pq.write_table(type(table).from_pylist(rows, table.schema), path)
    assert any(
        "1 people are in more than one split (person 2)" in line for line in rewritten(folder)
    )


def test_what_was_taken_down_is_not_there(release):
    folder = release()
    url = sample(2, 1)["url"]
    listed = Removals("cd" * 32).plus(date(2026, 1, 2), "law", [("url", url), ("person", 6)])
    listed.write(Folder(folder))
    sums(folder)
    lines = [line for line in lines_of(folder) if "were taken down" in line]
    assert len(lines) == 2 and "train-00000.parquet: 1 rows" in lines[1]
    assert "test-00000.parquet: 3 rows" in lines[0]
    assert not any(url in line for line in lines)


def test_secrets_in_urls_are_told_and_not_repeated(release):
    urls = {
        1: "https://anna:geheim@example.org/1.jpg",
        2: "https://example.org/2.jpg?token=abcdef123",
        3: "https://bucket.example.org/3.jpg?X-Amz-Signature=0a1b2c",
        4: "https://example.org/anna@example.org/4.jpg",
    }
    folder = release(lambda row: keyed(row, urls.get(row["phash"] // 7919, row["url"])))
    lines = lines_of(folder)
    assert sum("a user's name or password" in line for line in lines) == 1
    assert next(line for line in lines if "password" in line).startswith("error")
    for what in ("a token or key", "a signature", "an e-mail address"):
        (line,) = [line for line in lines if what in line]
        assert line.startswith("warning: data/") and "1 rows" in line and "(row " in line
    assert not any(
        secret in line for line in lines for secret in ("geheim", "abcdef", "0a1b", "anna")
    )


def test_a_sample_reads_some_row_groups(release):
    folder = release(people=dict.fromkeys(range(1, 30), 3))
    found = verify(str(folder), SampleDraw(0.5, "a"))
    assert found.clean and "only a sample was read" in found.notes[0]
    assert 0 < found.files < 8


def test_damaged_and_newer_descriptions(release):
    folder = release()
    content = (folder / "release.json").read_text()
    (folder / "release.json").write_text(content[: len(content) // 2])
    assert any("release.json: is no valid JSON" in line for line in lines_of(folder))
    (folder / "release.json").write_text(
        content.replace('"format_version": 1', '"format_version": 9')
    )
    assert any("newer one" in line for line in lines_of(folder))


def test_what_webbody_release_writes_is_clean(demo, tmp_path):
    folder = tmp_path / "released"
    assert run("release", demo.out, "--out", folder, "--draft")[0] == 0
    found = verify(str(folder))
    assert found.clean and found.findings == []
    assert any(note.startswith("the newest") for note in found.notes) == ("://" in removals(folder))
    pytest.importorskip("mlcroissant")
    assert not any("croissant" in note for note in found.notes)
    said = json.loads((folder / "croissant.json").read_text())
    said["recordSet"][1]["field"][0]["source"] = {"fileSet": {"@id": "nowhere"}}
    (folder / "croissant.json").write_text(json.dumps(said))
    sums(folder)
    assert any("croissant.json: is not valid" in line for line in lines_of(folder))


def removals(folder):
    return json.loads((folder / "release.json").read_text())["removals"]
