"""A build that stopped half-way through doing itself again: no reader takes old and new for one."""

import shutil

import pyarrow.parquet as pq
import pytest

from model.shard_list import list_shards
from pipelines.build import Run, build
from pipelines.diagnostics.ending import read_ending
from pipelines.engine.build_files import BuildFiles
from pipelines.engine.graph import IDENTITIES
from pipelines.inference.sources import find_sources
from pipelines.inspection.explain import explain
from pipelines.inspection.status import status
from tests.command_line import run as command
from webbody.build_records import planned_shards
from webbody.commit import ALL, read_record
from webbody.errors import WebbodyError
from webbody.shards import read_members
from webbody.storage import Folder

NOT_COMPLETE = "Not complete: run `webbody build --manifest "


@pytest.fixture
def out(demo, tmp_path):
    shutil.copytree(demo.out, tmp_path / "copy")
    return tmp_path / "copy"


def crops(out, shards):
    """The crops of the samples in some output shards."""
    found = []
    for shard in shards:
        with (out / f"pack/{shard}.tar").open("rb") as file:
            found += [name[: -len(".cls")] for name, _ in read_members(file) if ".cls" in name]
    return found


def refused(out):
    for source in (out, out / "pack", out / "pack/train-*.tar"):
        with pytest.raises(WebbodyError, match=f"run `webbody build --manifest .* --out {out}`"):
            list_shards([str(source)])
    with pytest.raises(WebbodyError, match="is not finished"):
        find_sources([str(out)])


def packed(out):
    return [path.stem for path in sorted((out / "pack").glob("*.tar"))]


def test_a_failed_rebuild_is_refused_until_it_is_mended(demo, out):
    first = pq.read_table(next(iter(sorted(out.glob("split/train-*.parquet"))))).to_pylist()[0]
    tar = out / f"{first['source']}.tar"
    whole = tar.read_bytes()
    at = first["offset"] + first["length"] // 2
    tar.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])

    result = build(demo.settings(out, "split.seed=1"))
    assert {failure.stage for failure in result.failures} == {"pack"}
    refused(out)
    state = status(str(out))
    assert not state.complete
    assert state.stages["pack"].committed == state.stages["pack"].total - len(result.failures)
    code, said, _ = command("status", out)
    assert code == 1 and NOT_COMPLETE in said
    assert command("report", out)[0] == 0
    assert NOT_COMPLETE in (out / "report.html").read_text("utf-8")
    with BuildFiles(str(out)) as files:
        seen = crops(out, files.shards("pack"))
        assert 0 < len(set(seen)) == len(seen) < len(crops(out, packed(out)))

    tar.write_bytes(whole)
    assert build(demo.settings(out, "split.seed=1")).complete
    assert status(str(out)).complete
    assert command("report", out)[0] == 0
    assert NOT_COMPLETE not in (out / "report.html").read_text("utf-8")
    shards = [shard.url for shard in list_shards([str(out)])]
    assert shards == [f"{out}/pack/{n}.tar" for n in packed(out) if n.startswith("train")]
    found = crops(out, packed(out))
    assert len(set(found)) == len(found)
    assert set(found) == set(crops(demo.out, packed(demo.out)))
    assert len(next(iter(find_sources([str(out)]).shards.values()))) == len(packed(out))


def test_a_build_that_was_killed_between_stages_is_refused(demo, out):
    planned = planned_shards(read_record(Folder(out), "plan", ALL))
    key = pq.read_table(out / f"keypoints/{planned[0]}.parquet")["key"][0].as_py()
    before = explain(str(out), key)[0]
    assert before.outcome == "kept"

    run = Run(demo.settings(out, "identities.duplicate=-1"), lambda event: None)
    run.plan(replace=False)
    assert run.run_global(IDENTITIES, planned)
    run.close()  # as if it had been killed here
    refused(out)
    state = status(str(out))
    assert not state.complete and state.stages["identities"].committed == 1
    story = explain(str(out), key)[0]
    assert "ledger" not in {step.stage for step in story.steps}
    assert story.outcome == "not processed yet"
    assert read_ending(str(out)).undecided == state.outcomes["incomplete"] > 0


def test_a_setting_that_is_refused_leaves_a_finished_build_as_it_is(demo, out):
    with pytest.raises(WebbodyError, match=r"keypoints\.input_size"):
        build(demo.settings(out, "keypoints.input_size=[256,256]"))
    assert status(str(out)).complete
    assert list_shards([str(out)])


def test_an_index_alone_that_is_lost_is_written_again(demo, out):
    index = out / "pack/index.json"
    content = index.read_bytes()
    index.unlink()
    refused(out)
    assert not status(str(out)).complete
    assert build(demo.settings(out)).ran == 0
    assert index.read_bytes() == content and status(str(out)).complete
