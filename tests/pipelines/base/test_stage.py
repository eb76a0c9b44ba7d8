import pyarrow as pa
import pytest

from pipelines.base.stage import Stage, committed, run_shard
from webbody.commit import intact, read_record
from webbody.config import Section
from webbody.errors import WebbodyError
from webbody.storage import Folder


class Doubler(Stage):
    """Writes its input table's numbers twice, and a tar with a member per number."""

    name = "doubler"
    needs = ("source",)

    def __init__(self, fail: str = "") -> None:
        self.fail = fail

    def process(self, inputs, outputs):
        numbers = inputs.table("source")["n"].to_pylist()
        tar = outputs.tar()
        for number in numbers:
            tar.add(f"{number}.txt", b"%d" % number)
        outputs.table(pa.table({"n": [2 * n for n in numbers]}))
        if self.fail:
            raise ValueError(self.fail)
        return {"in": len(numbers), "out": len(numbers)}


class Source(Stage):
    name = "source"
    needs = ()

    def process(self, inputs, outputs):
        outputs.table(pa.table({"n": [1, 2, 3]}))
        return {"in": 3, "out": 3}


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    run_shard(Source(Section()), folder, "ab", "f", {})
    return folder


def test_a_shard_is_committed_with_its_digests(folder):
    record = run_shard(Doubler(), folder, "ab", "f", {"source/ab.parquet": "1"})
    assert record == read_record(folder, "doubler", "ab")
    assert record.counts == {"in": 3, "out": 3}
    assert sorted(record.outputs) == ["ab.parquet", "ab.tar"]
    assert intact(folder, record)
    assert folder.names("doubler") == ["ab.json", "ab.parquet", "ab.tar"]


def test_two_runs_give_the_same_bytes(folder):
    one = run_shard(Doubler(), folder, "ab", "f", {})
    two = run_shard(Doubler(), folder, "ab", "f", {})
    assert one.outputs == two.outputs


def test_a_stage_that_raises_leaves_nothing_and_keeps_what_was_there(folder):
    with pytest.raises(ValueError, match="broken"):
        run_shard(Doubler("broken"), folder, "ab", "f", {})
    assert folder.names("doubler") == []
    before = run_shard(Doubler(), folder, "ab", "f", {})
    with pytest.raises(ValueError, match="broken"):
        run_shard(Doubler("broken"), folder, "ab", "g", {})
    assert read_record(folder, "doubler", "ab") == before
    assert intact(folder, before)


def test_a_kill_between_the_files_and_the_record_leaves_no_committed_shard(folder, monkeypatch):
    run_shard(Doubler(), folder, "ab", "f", {})

    def killed(name, data):
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        run_shard(Doubler(), folder, "ab", "g", {})
    monkeypatch.undo()
    assert read_record(folder, "doubler", "ab") is None
    with pytest.raises(WebbodyError, match="run `webbody build` again"):
        committed(folder, "doubler", "ab")
