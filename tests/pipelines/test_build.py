"""Whole builds of a small synthetic web with the real libraries; what Ray does is on a real one."""

import io
import json
import shutil
import tarfile

import pyarrow.parquet as pq
import pytest

from pipelines.build import build
from pipelines.fetching.retry import is_passing
from pipelines.inspection.explain import explain
from pipelines.inspection.status import status
from webbody.commit import is_side_file
from webbody.demo.website.web import make_web
from webbody.errors import WebbodyError
from webbody.storage import Folder


def digests(out):
    """sha256 of every committed output of a build that is equal where builds are equal."""
    found = {}
    for path in sorted(out.glob("*/*.json")):
        if path.name != "index.json":
            record = json.loads(path.read_text())
            for name, output in record["outputs"].items():
                if not is_side_file(name):
                    found[f"{record['stage']}/{name}"] = output["sha256"]
    return found


def times(out):
    return {path: path.stat().st_mtime_ns for path in out.glob("*/*") if path.name != "index.json"}


def test_every_row_has_one_outcome(demo):
    assert demo.result.complete
    rows = pq.read_table(demo.config.manifest).num_rows
    assert demo.result.rows == rows == sum(demo.result.outcomes.values())
    assert demo.result.outcomes["kept"] > 0
    state = status(str(demo.out))
    assert state.complete
    assert state.outcomes == demo.result.outcomes


def test_samples_are_squares_with_keypoints_and_without_names(demo):
    names = set(pq.read_table(demo.config.manifest)["name"].to_pylist()) - {None, ""}
    samples = 0
    for path in sorted((demo.out / "pack").glob("*.tar")):
        with tarfile.open(path) as tar:
            members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
        for name, data in members.items():
            if not name.endswith(".json"):
                continue
            info = json.loads(data)
            crop = name.removesuffix(".json")
            assert set(info) == {
                "key", "person", "split", "url", "sha256", "width", "height", "box", "keypoints",
            }  # fmt: skip
            assert not any(person in data.decode() for person in names)
            assert int(members[f"{crop}.cls"]) == info["person"]
            assert len(info["keypoints"]) == 19
            assert all(0 <= side <= 1 for side in info["box"])
            from PIL import Image

            assert Image.open(io.BytesIO(members[f"{crop}.jpg"])).size == (384, 384)
            samples += 1
    index = json.loads((demo.out / "pack" / "index.json").read_text())
    assert samples == sum(split["samples"] for split in index["splits"].values()) > 0


def test_running_again_does_nothing(demo):
    before = times(demo.out)
    again = build(demo.config)
    assert again.ran == 0
    assert again.outcomes == demo.result.outcomes
    assert times(demo.out) == before


def test_a_changed_setting_redoes_what_depends_on_it(demo, in_process, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    before = times(out)
    result = build(demo.settings(out, "pack.quality=70"))
    assert result.complete
    changed = {path.parent.name for path, time in times(out).items() if before.get(path) != time}
    assert changed == {"pack"}
    build(demo.settings(out))
    assert digests(out) == digests(demo.out)


def test_a_retry_asks_for_what_failed_in_passing_and_nothing_else(demo, in_process, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    result = build(demo.settings(out, "download.retry=[passing]"))
    assert result.outcomes == demo.result.outcomes  # the same servers fail the same way
    assert digests(out) == digests(demo.out)
    again = {}
    for path in out.glob("download/*.answers.parquet"):
        rows = pq.read_table(path.with_name(path.name.replace(".answers", ""))).to_pylist()
        for row, said in zip(rows, pq.read_table(path).to_pylist(), strict=True):
            again.setdefault(said["tries"] == 2, set()).add(row["outcome"])
    assert again[True] == {outcome for outcome in result.outcomes if is_passing(outcome)}
    assert again[True].isdisjoint(again[False])
    assert build(demo.settings(out, "download.timeout=7", "download.retries=0")).ran == 0


def test_crops_are_evicted_and_made_again_when_needed(demo, in_process, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    build(demo.settings(out, "resources.evict=true"))
    assert not list(out.glob("download/*.tar")) + list(out.glob("persons/*.tar"))
    assert status(str(out)).complete
    left = out / "download" / next(out.glob("download/*.json")).with_suffix(".tar").name
    left.write_bytes(b"of a build that was killed before it removed it")
    assert build(demo.settings(out, "resources.evict=true")).ran == 0
    assert not left.exists()
    # Other keypoints need the crops, other packing those of every shard: they are made again.
    result = build(demo.settings(out, "keypoints.min_score=0.2", "pack.quality=80"))
    assert result.complete
    assert list(out.glob("persons/*.tar"))
    build(demo.settings(out))
    assert digests(out) == digests(demo.out)


def test_downloads_are_evicted_as_soon_as_people_were_looked_for(demo, in_process, tmp_path):
    out, seen = tmp_path / "copy", []
    shutil.copytree(demo.out, out)

    def on_event(event):
        if (event.stage, event.kind) == ("faces", "done"):
            seen.append(event.shard)
            assert not (out / f"download/{event.shard}.tar").exists()
            assert (out / f"persons/{event.shard}.tar").exists()

    settings = demo.settings(out, "resources.evict=true", "persons.confidence=0.65")
    assert build(settings, on_event).complete
    assert len(seen) > 1


def test_a_lost_file_is_made_again(demo, in_process, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    victim = next(iter(out.glob("faces/*.parquet")))
    victim.unlink()
    assert not status(str(out)).complete
    assert build(demo.settings(out)).complete
    assert digests(out) == digests(demo.out)


def test_a_shard_that_fails_is_told_and_the_whole_waits_for_it(demo, in_process, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    # A disk that lost the bytes of a committed tar: the stage that reads it must notice.
    victim = next(iter(out.glob("download/*.tar")))
    victim.write_bytes(b"\xff" * victim.stat().st_size)
    shard = victim.stem
    for path in out.glob(f"persons/{shard}.*"):
        path.unlink()
    before = times(out)
    result = build(demo.settings(out))
    assert not result.complete
    assert [(f.stage, f.shard) for f in result.failures] == [("persons", shard)]
    assert result.failures[0].message == (
        f"{victim} was damaged after it was committed; `webbody verify --repair {out}` makes it "
        "again."
    )
    assert result.outcomes["incomplete"] > 0
    assert times(out) == before  # nothing that looks at the whole was done without this shard
    result = build(demo.settings(out), partial=True)
    assert not result.complete
    assert result.outcomes["incomplete"] > 0
    assert result.outcomes["kept"] > 0
    assert sum(result.outcomes.values()) == result.rows
    victim.unlink()
    assert build(demo.settings(out)).complete
    assert digests(out) == digests(demo.out)


def test_a_folder_of_another_manifest_is_refused(demo, tmp_path):
    other = make_web(tmp_path / "web", names=1, images=2, seed=9, port=18798, gallery=1)
    config = demo.settings(demo.out)
    config.manifest = str(other.manifest)
    with pytest.raises(WebbodyError, match="holds a build of another manifest"):
        build(config)


def test_a_missing_model_is_told_before_anything_is_written(demo, tmp_path):
    config = demo.settings(tmp_path / "new", f"persons.model={tmp_path}/none.pt")
    with pytest.raises(WebbodyError, match=r"none\.pt"):
        build(config)
    assert not (tmp_path / "new").exists()


def test_explain_tells_the_story_of_every_kind_of_row(demo):
    ledger = [
        row for path in demo.out.glob("ledger/*.parquet") for row in pq.read_table(path).to_pylist()
    ]
    for outcome in {row["outcome"].split(":")[0] for row in ledger}:
        row = next(row for row in ledger if row["outcome"].startswith(outcome))
        story = next(s for s in explain(str(demo.out), row["key"]) if s.key == row["key"])
        assert story.outcome == row["outcome"]
        assert story.steps[0].stage == "download"
        assert row["url"] in {s.url for s in explain(str(demo.out), row["url"])}
    noise = next(row for row in ledger if row["outcome"] == "cluster:noise")
    story = explain(str(demo.out), noise["key"])[0]
    step = next(step for step in story.steps if step.outcome == "cluster:noise")
    assert "similarity" in step.figures or "links" in step.figures
    assert step.setting == f"clusters.eps {demo.config.clusters.eps}"
    with pytest.raises(WebbodyError, match="neither a URL nor a key"):
        explain(str(demo.out), "http://nowhere/")


def test_status_of_a_folder_that_is_no_build(tmp_path):
    with pytest.raises(WebbodyError, match="holds no build"):
        status(str(tmp_path))


def test_shards_read_with_webdataset_and_with_datasets(demo, tmp_path, monkeypatch):
    import webdataset as wds

    paths = sorted(str(path) for path in (demo.out / "pack").glob("*.tar"))
    plain = wds.WebDataset(paths, shardshuffle=False).decode("pil").to_tuple("jpg", "cls", "json")
    samples = list(plain)
    assert all(image.size == (384, 384) for image, _, _ in samples)
    assert all(person == info["person"] for _, person, info in samples)

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    table = load_dataset(
        "webdataset", data_files={"train": paths}, split="train", cache_dir=str(tmp_path)
    )
    assert len(table) == len(samples)
    assert {"jpg", "cls", "json"} <= set(table.column_names)


def test_another_folder_gets_the_same_bytes_and_may_be_remote(demo, in_process, tmp_path):
    """Also without Ray, and through fsspec: here with a file system that only fsspec knows."""
    config = demo.settings(tmp_path / "x")
    config.out = f"file://{tmp_path}/remote"
    result = build(config)
    assert result.complete
    assert Folder(config.out).size("pack/index.json")
    assert result.outcomes == demo.result.outcomes
    assert digests(tmp_path / "remote") == digests(demo.out)
