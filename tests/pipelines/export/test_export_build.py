"""Exports appear whole or not at all, keep names inside, and honour what was taken down."""

import json
import shutil
import tarfile
from datetime import date
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packed_builds import NAMES, PACKS

from pipelines.export import run
from pipelines.export.run import FORMATS, export_build
from pipelines.stages.pack import write_index
from tests.command_line import one_sentence
from tests.command_line import run as command
from webbody.errors import WebbodyError
from webbody.removals import RemovalLists, Removals
from webbody.shards import TarWriter
from webbody.storage import Folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def copied(packed, tmp_path):
    """A copy of the build, to change."""
    return Path(shutil.copytree(packed[0], tmp_path / "build"))


@pytest.mark.parametrize("kind", FORMATS)
def test_names_and_urls_stay_inside_unless_asked_for(packed, tmp_path, kind):
    export_build(str(packed[0]), kind, str(tmp_path / "without"))
    export_build(str(packed[0]), kind, str(tmp_path / "with"), with_names=True)
    without, with_names = files(tmp_path / "without"), files(tmp_path / "with")
    assert set(without) <= set(with_names)
    words = [b"example.org", b"Quill", b"alert", b"=cmd"]
    for name, data in without.items():
        for word in words:
            assert word not in data and word.decode() not in name
    for word in words:
        assert any(word in data for data in with_names.values()), word
    # Names are data, never parts of paths.
    assert not any("Quill" in name or "<" in name for name in with_names)


@pytest.mark.parametrize("kind", FORMATS)
def test_equal_builds_give_equal_exports(packed, tmp_path, kind):
    for name in "ab":
        export_build(str(packed[0]), kind, str(tmp_path / name))
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_taken_down_is_left_out(copied, packed, tmp_path, kind):
    gone = sorted(packed[1])[:2]
    values = [("sample", gone[0]), ("sha256", packed[1][gone[1]]["sha256"])]
    listed = Removals("7" * 64).plus(date(2026, 1, 2), "request", values)
    listed.write(Folder(copied))
    done = export_build(str(copied), kind, str(tmp_path / "out"))
    assert done.left_out == 2 and sum(done.samples.values()) == 14
    there = files(tmp_path / "out")
    for key in gone:
        for name, data in there.items():
            assert key not in name and key.encode() not in data
    mark = json.loads(there["export.json"])
    assert mark["complete"] and mark["left_out"] == 2
    assert mark["outcomes"] == {"kept": 16, "manifest:no-url": 2} and mark["rows"] == 18


def test_a_list_of_others_is_honoured_too(packed, tmp_path):
    listed = Removals("7" * 64).plus(date(2026, 1, 2), "law", [("person", 3)])
    listed.write(Folder(tmp_path), "theirs.parquet")
    there = sum(sample["person"] == 3 for sample in packed[1].values())
    arguments = ("export", packed[0], "coco", tmp_path / "out", "--removals")
    code, out, error = command(*arguments, tmp_path / "theirs.parquet")
    assert code == 0 and f"{there} samples left out" in error
    assert f"{16 - there} samples of 2 people" in out
    code, _, error = command(*arguments, tmp_path / "nowhere.parquet")
    assert code == 2 and one_sentence(error)
    done = export_build(
        str(packed[0]), "hf", str(tmp_path / "none"),
        removals=RemovalLists((listed.plus(date(2026, 1, 3), "law", [("person", 7)]),)),
    )  # fmt: skip
    assert done.samples["test"] == 0
    assert "split: test" not in (tmp_path / "none/README.md").read_text()


def test_a_stopped_export_leaves_nothing(packed, tmp_path, monkeypatch):
    out = tmp_path / "out"
    stored = run._stored

    def stopped(folder, writer, pictures):
        for number, sample in enumerate(stored(folder, writer, pictures)):
            if number == 9:
                raise KeyboardInterrupt
            yield sample

    with monkeypatch.context() as patch:
        patch.setattr(run, "_stored", stopped)
        for kind in FORMATS:
            with pytest.raises(KeyboardInterrupt):
                export_build(str(packed[0]), kind, str(out))
            assert list(tmp_path.iterdir()) == []
    export_build(str(packed[0]), "parquet", str(out))
    with monkeypatch.context() as patch:
        patch.setattr(run, "_stored", stopped)
        with pytest.raises(KeyboardInterrupt):
            export_build(str(packed[0]), "coco", str(out), replace=True)
    assert set(files(out)) == {"export.json", "samples.parquet"}


def test_only_an_export_is_replaced(packed, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    export_build(str(packed[0]), "parquet", str(out))  # an empty folder is free
    code, _, error = command("export", packed[0], "coco", out)
    assert code == 2 and one_sentence(error) and "--replace" in error
    assert command("export", packed[0], "coco", out, "--replace")[0] == 0
    assert not (out / "samples.parquet").exists() and (out / "annotations/train.json").exists()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    for mark in ("", "{}", "[]", "not json"):
        if mark:
            (other / "export.json").write_text(mark)
        code, _, error = command("export", packed[0], "coco", other, "--replace")
        assert code == 2 and one_sentence(error) and "is no export" in error
    assert (other / "thesis.tex").exists()
    code, _, error = command("export", packed[0], "coco", packed[0], "--replace")
    assert code == 2 and one_sentence(error)


def test_files_of_somebody_else_in_an_export_are_not_replaced(packed, tmp_path):
    out = tmp_path / "out"
    export_build(str(packed[0]), "parquet", str(out))
    (out / "notes.txt").write_text("mine")
    code, _, error = command("export", packed[0], "coco", out, "--replace")
    assert code == 2 and one_sentence(error) and "notes.txt" in error
    assert (out / "notes.txt").read_text() == "mine"
    (out / "export.json").write_text('"complete"')
    code, _, error = command("export", packed[0], "coco", out, "--replace")
    assert code == 2 and "is no export" in error


def test_an_export_lies_apart_from_its_build(copied, tmp_path):
    """A takedown, which proves what is gone from the build, would not look into it."""
    (tmp_path / "link").symlink_to(copied)
    for out in (copied / "exported", copied, copied.parent, tmp_path / "link/exported"):
        code, _, error = command("export", copied, "coco", out)
        assert code == 2 and one_sentence(error) and "inside the build" in error
    assert not (copied / "exported").exists()


def test_a_link_to_an_export_leads_to_it(packed, tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    export_build(str(packed[0]), "parquet", str(real))
    link.symlink_to(real)
    for _ in range(2):
        assert command("export", packed[0], "coco", link, "--replace")[0] == 0
    assert link.is_symlink() and (real / "annotations/train.json").exists()
    assert not (real / "samples.parquet").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_what_cannot_be_exported_is_told_in_a_sentence(copied, tmp_path):
    out = tmp_path / "out"
    code, _, error = command("export", tmp_path / "nothing", "coco", out)
    assert code == 2 and one_sentence(error) and "holds no build" in error
    code, _, error = command("export", copied, "coco", out, "--images")
    assert code == 2 and one_sentence(error) and "parquet" in error
    with pytest.raises(WebbodyError, match="is no format; choose one of fiftyone, "):
        export_build(str(copied), "yolo", str(out))
    (copied / "pack/index.json").unlink()
    code, _, error = command("export", copied, "coco", out)
    assert code == 2 and one_sentence(error) and "not complete" in error
    assert not out.exists()


@pytest.mark.parametrize("kind", ["coco", "parquet"])
def test_a_damaged_picture_is_not_passed_on(copied, packed, tmp_path, kind):
    tar = copied / "pack/train-000001.tar"
    key = next(key for key in packed[1] if f"{key}.jpg".encode() in tar.read_bytes())
    data = bytearray(tar.read_bytes())
    data[data.index(packed[1][key]["picture"]) + 700] ^= 1
    tar.write_bytes(data)
    with pytest.raises(WebbodyError, match=f"{key} is not as it was packed; `webbody verify"):
        export_build(str(copied), kind, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("evil", ["leads/out", "../../leads/out", ".hidden", "/leads/out"])
def test_a_key_leads_nowhere_else(copied, packed, tmp_path, evil):
    """A folder that somebody else made, with digests that fit."""
    key = next(key for key, one in packed[1].items() if one["split"] == "test")
    tar, table = copied / "pack/test-000000.tar", copied / "pack/test-000000.parquet"
    with tarfile.open(tar) as old:
        members = [(info.name, old.extractfile(info).read()) for info in old]
    with tar.open("wb") as file:
        writer = TarWriter(file)
        for name, data in members:
            writer.add(name.replace(key, evil), data)
        writer.close()
    rows = pq.read_table(table)
    keys = [evil if one == key else one for one in rows["key"].to_pylist()]
    pq.write_table(rows.set_column(0, "key", pa.array(keys)), table)
    record = json.loads(table.with_suffix(".json").read_text())
    for path in (tar, table):
        record["outputs"][path.name]["bytes"] = path.stat().st_size
    record.pop("check", None)
    table.with_suffix(".json").write_text(json.dumps(record))
    write_index(Folder(copied))
    with pytest.raises(WebbodyError, match="is not as it was packed"):
        export_build(str(copied), "coco", str(tmp_path / "out"))
    assert {path.name for path in tmp_path.iterdir()} == {"build"}


def test_builds_and_exports_lie_in_stores(packed, tmp_path):
    store = fsspec.filesystem("memory")
    store.put(str(packed[0]), "/exports/build", recursive=True)
    try:
        for kind in FORMATS:
            export_build(str(packed[0]), kind, str(tmp_path / kind))
            out = f"memory://exports/{kind}"
            done = export_build("memory://exports/build", kind, out)
            assert sum(done.samples.values()) == sum(PACKS.values())
            store.get(f"/exports/{kind}", str(tmp_path / "copy" / kind), recursive=True)
            assert files(tmp_path / "copy" / kind) == files(tmp_path / kind)
            with pytest.raises(WebbodyError, match="is not empty"):
                export_build(str(packed[0]), kind, out)
    finally:
        store.rm("/exports", recursive=True)


def test_a_stopped_export_in_a_store_says_so(packed, monkeypatch):
    out = "memory://stopped"
    store = fsspec.filesystem("memory")

    def stopped(folder, writer, pictures):
        yield next(iter(pictures))
        raise KeyboardInterrupt

    try:
        with monkeypatch.context() as patch:
            patch.setattr(run, "_stored", stopped)
            with pytest.raises(KeyboardInterrupt):
                export_build(str(packed[0]), "coco", out)
        assert json.loads(store.cat("/stopped/export.json"))["complete"] is False
        assert not store.exists("/stopped/annotations/train.json")
        export_build(str(packed[0]), "coco", out, replace=True)
        assert json.loads(store.cat("/stopped/export.json"))["complete"] is True
    finally:
        store.rm("/stopped", recursive=True)


def test_names_of_people_are_those_of_the_build(packed, tmp_path):
    export_build(str(packed[0]), "imagefolder", str(tmp_path / "out"), with_names=True)
    lines = (tmp_path / "out/names.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert len(told) == 16
    for one in told:
        assert (tmp_path / "out" / one["file"]).is_file()
        assert one["names"] == NAMES[int(one["file"].split("/")[1])]
