"""A shard that would fill the disk fails before it does, and leaves nothing."""

import shutil
from types import SimpleNamespace

import pytest

from pipelines.base.stage import Stage, run_shard
from webbody.config import Section
from webbody.disk_room import STEP, DiskRoom
from webbody.errors import WebbodyError
from webbody.storage import Folder


class Filling(Stage):
    name = "filling"
    needs = ()

    def process(self, inputs, outputs):
        file = outputs.file(f"{inputs.shard}.tar")
        for _ in range(8):
            file.write(bytes(STEP // 2))
        return {"in": 1, "out": 1}


@pytest.mark.parametrize(("free", "written"), [(9e9, 4 * STEP), (2.5 * STEP, 0)])
def test_the_disk_is_watched_while_a_shard_is_written(tmp_path, monkeypatch, free, written):
    folder, start = Folder(tmp_path), free

    def usage(place):
        used = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        return SimpleNamespace(free=start - used, total=1e12)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    room = DiskRoom([str(tmp_path)], keep=2 * STEP, patience=0.01)
    if written:
        run_shard(Filling(Section()), folder, "a", "f", {}, room=room)
    else:
        with pytest.raises(WebbodyError, match="make room"):
            run_shard(Filling(Section()), folder, "a", "f", {}, room=room)
    assert (folder.size("filling/a.tar") or 0) == written
    assert not folder.temporary_files("filling")
