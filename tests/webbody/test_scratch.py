"""Temporary files of killed processes go when the next one starts; nobody else's do."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from webbody import scratch
from webbody.processes import this_process
from webbody.scratch import left_behind, scratch_file, scratch_folder, sweep
from webbody.storage import Folder

MAKER = """
import sys
from pathlib import Path
from webbody.scratch import scratch_file, scratch_folder

folder = scratch_folder("manifest")
Path(folder.name, "copy").write_bytes(bytes(1000))
print(folder.name)
print(scratch_file("upload")[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch._sweep_once.cache_clear()
    yield tmp_path
    scratch._sweep_once.cache_clear()


def test_what_a_killed_process_left_goes_when_the_next_one_starts(place):
    other = subprocess.Popen(
        [sys.executable, "-c", MAKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )  # fmt: skip
    made = [Path(other.stdout.readline().strip()) for _ in range(2)]
    assert all(path.parent == place for path in made)
    with scratch_folder("plan"):
        assert all(path.exists() for path in made)  # it lives
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    assert sorted(left_behind(place)) == sorted(made)
    scratch._sweep_once.cache_clear()  # as in a new process
    with scratch_folder("plan") as folder:
        assert list(place.iterdir()) == [Path(folder)]
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("what", ["process", "start", "namespace", "name", "link"])
def test_what_is_not_known_to_be_ours_stays(place, what):
    namespace, pid, start = str(this_process()).split("-")
    name = {
        "process": f"webbody-plan@{namespace}-{pid}-{start}@x",
        "start": f"webbody-plan@{namespace}-{pid}@x",
        "namespace": f"webbody-plan@{int(namespace) + 1}-{pid}-1@x",  # of another container
        "name": f"mine-plan@{namespace}-{pid}-1@x",
        "link": f"webbody-plan@{namespace}-{pid}-1@x",
    }[what]
    if what == "link":
        (place / "elsewhere").mkdir()
        (place / name).symlink_to(place / "elsewhere")
    else:
        (place / name).mkdir()
    sweep(place)
    assert (place / name).exists()


def test_a_number_that_was_given_out_again_is_another_process(place):
    namespace, pid, _ = str(this_process()).split("-")
    path = place / f"webbody-plan@{namespace}-{pid}-1@x"
    (path / "inside").mkdir(parents=True)
    sweep(place)
    assert not path.exists()


def test_an_upload_leaves_nothing(place):
    folder = Folder("memory://scratch")
    folder.write_bytes("a", b"1")
    with pytest.raises(RuntimeError), folder.write("b"):
        raise RuntimeError
    assert list(place.iterdir()) == []
    handle, path = scratch_file("upload")
    os.close(handle)
    assert Path(path).parent == place
