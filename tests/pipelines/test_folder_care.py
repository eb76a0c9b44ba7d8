"""A build folder's own files, other people's files in it, and what becomes of a damaged state."""

import json
import shutil
import subprocess
import sys

import pytest

from pipelines.build import build
from webbody.errors import WebbodyError


def state(out):
    """Every file with its time and bytes."""
    return {
        str(path.relative_to(out)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def copy(demo, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    assert build(demo.settings(out)).complete  # its configuration names another folder
    return out


def test_a_build_with_nothing_to_do_changes_nothing(demo, in_process, copy):
    before = state(copy)
    result = build(demo.settings(copy))
    assert result.complete and result.ran == 0
    assert state(copy) == before


def test_files_of_somebody_else_stay(demo, in_process, copy):
    own = [
        "pack/README.md", "pack/train-000000.idx", "faces/notes.txt", "faces/notes.parquet",
        "persons/.hidden", "download/all.csv", "pack/mine.json",
    ]  # fmt: skip
    for name in own:
        (copy / name).write_text("mine")
    left = [
        copy / "faces/0123456789abcdef.parquet",  # of an older plan
        copy / "faces/0123456789abcdef.json",
        copy / "pack/train-999999.tar",
        copy / "pack/.train-000000.tar.ab12_xyz.tmp",  # of a killed writer
        copy / ".build.json.ab12_xyz.tmp",
    ]
    for path in left:
        path.write_text("stale")
    next(copy.glob("ledger/*.json")).unlink()  # something is to be done
    assert build(demo.settings(copy)).complete
    assert all((copy / name).read_text() == "mine" for name in own)
    assert not [path for path in left if path.exists()]


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b"", b"\xff\x00", b'{"manifest": 1, "sha256": 2, "stages": []}']
)
def test_a_state_file_that_cannot_be_read_is_written_anew(demo, in_process, copy, content):
    whole = state(copy)
    (copy / "build.json").write_bytes(content)
    notes = []
    result = build(demo.settings(copy), lambda e: e.kind == "note" and notes.append(e.message))
    assert result.complete and result.ran == 0
    assert (copy / "build.json").read_bytes() == whole["build.json"][1]
    assert notes == [f"{copy}/build.json cannot be read, and is written anew."]


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: [],
        lambda values: {},
        lambda values: values | {"outputs": []},
        lambda values: values | {"outputs": {"a": 1}},
        lambda values: values | {"counts": {"in": "many"}},
        lambda values: values | {"more": 1},
        lambda values: values | {"inputs": None},
    ],
)
def test_a_record_of_another_form_is_none(demo, in_process, copy, damage):
    record = next(copy.glob("ledger/*.json"))
    whole = state(copy)
    values = json.loads(record.read_bytes())
    values.pop("check")
    record.write_text(json.dumps(damage(values)))
    result = build(demo.settings(copy))
    assert result.complete and result.ran == 1
    table = str(record.with_suffix(".parquet").relative_to(copy))
    assert state(copy)[table][1] == whole[table][1]


def test_a_folder_of_a_newer_version_is_refused(demo, in_process, copy):
    values = json.loads((copy / "build.json").read_bytes())
    del values["check"]
    (copy / "build.json").write_text(json.dumps(values | {"code": "99.1.0"}))
    before = state(copy)
    with pytest.raises(WebbodyError, match=r"webbody 99\.1\.0, which is newer .* update webbody"):
        build(demo.settings(copy))
    assert state(copy) == before


def test_memory_is_no_place_for_workers(demo):
    with pytest.raises(WebbodyError, match="memory of one process"):
        build(demo.settings("memory://somewhere"))


def test_of_two_builds_in_one_folder_the_second_is_refused(demo, in_process, copy):
    program = (
        "import sys, time\n"
        "from webbody.lease import Lease\n"
        "from webbody.storage import Folder\n"
        "Lease(Folder(sys.argv[1])).take()\n"
        "print('held', flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", program, str(copy)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(WebbodyError, match=f"is being written by process {other.pid} "):
            build(demo.settings(copy))
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert build(demo.settings(copy)).complete
