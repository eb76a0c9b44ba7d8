"""What is not released, and builds of which something is gone."""

import shutil
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from written_release import CARD, card, files, samples

from pipelines.engine.graph import FROM_NAMES
from pipelines.engine.upkeep import evict
from pipelines.release.refused import Refusal
from pipelines.release.write import write_release
from tests.command_line import one_sentence
from tests.command_line import run as command
from webbody.build_records import BuildRecords
from webbody.commit import Record
from webbody.errors import WebbodyError
from webbody.releases.release import Release
from webbody.removals import Removals
from webbody.storage import Folder


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


def test_a_url_that_opens_a_store_refuses_the_release_and_is_not_repeated(tmp_path):
    urls = ["https://a.org/1.jpg", "https://b.s3.amazonaws.com/2.jpg?X-Amz-Signature=5ecret"]
    table = pa.table(
        {
            "key": ["k1", "k2"],
            "url": urls,
            "person": [1, 2],
            "sha256": ["0" * 64, "1" * 64],
            "phash": [1, 2],
        }
    )
    refusal = Refusal(None, Removals("0" * 64, ()))
    refusal.add(table.slice(0, 1))
    refusal.check(tmp_path / "R")
    refusal.add(table)
    with pytest.raises(WebbodyError, match="1 sample whose URLs hold a password or a signature"):
        refusal.check(tmp_path / "R")
    listed = (tmp_path / "R.refused.csv").read_text()
    assert "k2," in listed and "k1," not in listed and "5ecret" not in listed
