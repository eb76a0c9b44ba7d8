"""Wrong settings are found before the first shard, where the stages would run."""

import pytest
from toy_stages import Fragile

from pipelines.base.stage import ALL
from pipelines.build import Run, build
from pipelines.engine import preflight
from pipelines.engine.graph import (
    CLUSTERS,
    DOWNLOAD,
    FACES,
    FROM_NAMES,
    PACK,
    SPLIT,
    Node,
    StageTask,
)
from webbody.commit import read_record
from webbody.config import StageResources
from webbody.errors import WebbodyError
from webbody.storage import Folder

GOOD = StageTask(Node("fragile", "toy_stages:Fragile"), (), "f")
SURPRISED = StageTask(Node("picky", "toy_stages:Surprised"), (), "f")


def test_what_cannot_be_constructed_is_told_in_a_sentence():
    assert isinstance(GOOD.make(), Fragile)
    found = preflight.problems([GOOD, SURPRISED])
    assert set(found) == {"picky"}
    assert "The stage picky cannot start (TypeError" in found["picky"]
    assert "\n" not in found["picky"]


def test_stages_on_the_cpu_share_a_process_and_those_on_gpus_have_their_own():
    cpu, gpu = StageResources(cpus=0.5), StageResources(cpus=2, gpus=0.5)
    found = preflight.groups([(GOOD, cpu), (SURPRISED, gpu), (GOOD, StageResources(cpus=1))])
    assert found == [([SURPRISED], 2, 0.5), ([GOOD, GOOD], 1, 0)]


def test_what_reads_a_stage_is_downstream_of_it():
    assert [node.name for node in FROM_NAMES.downstream([PACK])] == ["pack"]
    names = [node.name for node in FROM_NAMES.downstream([FACES])]
    assert names == [
        "faces", "flags", "clusters", "identities", "keypoints", "split", "pack", "ledger",
    ]  # fmt: skip
    assert FROM_NAMES.downstream([DOWNLOAD, CLUSTERS])[0] is DOWNLOAD
    assert SPLIT in FROM_NAMES.downstream([DOWNLOAD])


def test_a_wrong_setting_of_a_late_stage_is_found_before_the_first_download(demo, tmp_path):
    out = tmp_path / "new"
    with pytest.raises(WebbodyError, match=r"keypoints\.input_size"):
        build(demo.settings(out, "keypoints.input_size=[256,256]"))
    assert read_record(Folder(out), "plan", ALL) is not None
    assert not (out / "download").exists()


def test_a_gallery_of_another_embedder_is_found_before_the_first_download(demo, tmp_path):
    import pyarrow.parquet as pq

    from pipelines.identity.features import EMBEDDER

    table = pq.read_table(demo.config.identities.galleries[0])
    other = tmp_path / "other.parquet"
    metadata = {**table.schema.metadata, EMBEDDER: b"0" * 64}
    pq.write_table(table.replace_schema_metadata(metadata), other)
    with pytest.raises(WebbodyError, match="make the gallery again"):
        build(demo.settings(tmp_path / "new", f"identities.galleries=[{other}]"))
    assert not (tmp_path / "new" / "download").exists()


def test_only_what_changed_is_tried_and_nothing_where_nothing_runs(demo, tmp_path, monkeypatch):
    import shutil

    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    tried = []
    monkeypatch.setattr(
        preflight, "problems", lambda tasks: tried.extend(t.node.name for t in tasks) or {}
    )

    def runs(*overrides):
        tried.clear()
        run = Run(demo.settings(out, *overrides), lambda event: None)
        heavy = []
        monkeypatch.setattr(run, "executor", lambda: Recorder(heavy))
        try:
            run.build(replace=False)
        except StopIteration:
            pass
        finally:
            run.close()
        return [*tried, *heavy]

    class Recorder:
        """In the place of Ray: notes what would be tried, and stops what would run."""

        def __init__(self, heavy):
            self.heavy = heavy

        def problems(self, stages):
            self.heavy.extend(task.node.name for task, _ in stages)
            return {}

        def run_chain(self, *_):
            raise StopIteration

        run_once = run_chain

        def close(self):
            pass

    assert runs() == []
    assert runs("pack.quality=50") == ["pack"]
    assert runs("keypoints.min_score=0.9") == ["keypoints"]
    assert runs("clusters.eps=0.3") == ["clusters"]
    # A device may be gone since.
    if not has_cuda():
        found = runs("clusters.eps=0.3", "resources.device=cuda")
        assert set(found) == {"clusters", "split", "pack", "ledger", "identities", "keypoints"}


def has_cuda():
    import torch

    return torch.cuda.is_available()
