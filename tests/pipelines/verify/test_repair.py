"""Repair: what was damaged has its bytes again, and nothing else was touched."""

import shutil

import pyarrow.parquet as pq
import pytest
from flipping import digests, flip
from release_of_build import make_release

from pipelines.build import build as run_build
from pipelines.verify.build import verify_build
from pipelines.verify.repair import repair
from webbody.config import load
from webbody.errors import WebbodyError
from webbody.storage import Folder


@pytest.fixture
def build(demo, tmp_path):
    return shutil.copytree(demo.out, tmp_path / "build")


def picture(table, number=1):
    rows = [row for row in pq.read_table(table).to_pylist() if row["offset"] is not None]
    return rows[number]["offset"] + 5


def repaired(build, listener=None):
    return repair(verify_build(Folder(build)), listener)


def test_exactly_what_is_damaged_is_done_again(build, in_process):
    before = digests(build)
    download, other = sorted((build / "download").glob("????????.parquet"))[:2]
    persons = sorted((build / "persons").glob("*.parquet"))[-1]
    pack = next((build / "pack").glob("train-*.parquet"))
    flip(download.with_suffix(".tar"), picture(download))
    flip(other.with_suffix(".tar"), 100)  # a header: no picture is lost
    flip(persons.with_suffix(".tar"), picture(persons))
    flip(pack.with_suffix(".tar"), picture(pack))
    ledger = next((build / "ledger").glob("*.parquet"))
    flip(ledger)
    flip(build / "pack" / "index.json", 200)
    flip(build / "person-ids.parquet")
    flip(build / "split" / pack.name)
    ran = []
    done, after = repaired(build, lambda e: e.kind == "done" and ran.append((e.stage, e.shard)))
    assert after.findings == [] and done.notes == []
    assert digests(build) == before
    assert [line.split(" (")[1] for line in done.repaired] == [
        "1 pictures fetched again)", "0 pictures fetched again)",
    ]  # fmt: skip
    assert sorted(ran) == sorted(
        [("persons", persons.stem), ("pack", pack.stem), ("ledger", ledger.stem), ("split", "all")]
    )


def test_a_build_from_a_release_is_repaired_like_any_other(demo, in_process, tmp_path):
    config = load(None, ["download.allow_private=[127.0.0.1]"])
    config.manifest = str(make_release(demo.out, tmp_path / "r").root)
    config.out = str(tmp_path / "out")
    assert run_build(config).complete
    folder = tmp_path / "out"
    assert verify_build(Folder(folder)).findings == []
    before = digests(folder)
    crops = max((folder / "crops").glob("*.parquet"), key=lambda path: path.stat().st_size)
    flip(crops.with_suffix(".tar"), picture(crops))
    flip(next((folder / "plan").glob("*.parquet")))
    done, after = repaired(folder)
    assert after.findings == [] and digests(folder) == before
    assert sorted(done.redone) == [f"crops/{crops.stem}", "plan/all"]


def test_a_damaged_record_has_its_shard_done_again(build, in_process):
    before = digests(build)
    flip(next((build / "keypoints").glob("*.json")))
    flip(build / "identities" / "all.json")
    done, after = repaired(build)
    assert after.clean and digests(build) == before
    assert any(line.startswith("identities/") for line in done.redone)


def test_a_picture_that_is_gone_has_its_shard_fetched_again(build, in_process, monkeypatch):
    """It cannot be mended honestly: what reads it is done again too."""
    table = sorted((build / "download").glob("????????.parquet"))[0]
    flip(table.with_suffix(".tar"), picture(table))
    monkeypatch.setattr("pipelines.verify.tar_repair._fetched", lambda *_: {})
    done, after = repaired(build)
    assert after.clean and done.repaired == [] and f"download/{table.stem}" in done.redone


def test_what_servers_said_cannot_be_asked_again(build, in_process):
    table = next((build / "download").glob("*.answers.parquet"))
    before = digests(build)
    flip(table)
    ran = []
    done, after = repaired(build, lambda event: ran.append(event.kind))
    assert after.clean and ran == [] and not table.exists()
    assert "what servers said of these pictures is lost" in done.notes[0]
    assert digests(build) == {k: v for k, v in before.items() if not k.endswith(table.name)}


def test_settings_that_were_changed_are_not_trusted(build):
    flip(build / "build.json", 300)
    with pytest.raises(WebbodyError, match="changed after it was written"):
        repaired(build)


def test_a_list_that_is_another_by_now_is_not_built(build, demo, tmp_path):
    import json

    from webbody.build_records import read_build
    from webbody.checked_json import checked_json

    values = read_build(Folder(build))
    other = tmp_path / "other.csv"
    other.write_text("url,name\nhttp://127.0.0.1/x.jpg,a\n")
    values["config"]["manifest"] = str(other)
    values.pop("check")
    (build / "build.json").write_bytes(checked_json(json.loads(json.dumps(values))))
    flip(next((build / "ledger").glob("*.parquet")))
    with pytest.raises(WebbodyError, match=r"is not what .* was built from any more"):
        repaired(build)
