"""Verifying builds: whatever is changed in a folder is found, and told with what to do."""

import hashlib
import json
import shutil
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flipping import flip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.takedown.surgery import apply
from pipelines.verify.build import verify_build
from pipelines.verify.findings import SampleDraw
from pipelines.verify.packed import box_findings, key_findings, people_findings
from pipelines.verify.run import verify
from webbody.commit import read_record, record_name
from webbody.errors import WebbodyError
from webbody.removals import RemovalLists, Removals
from webbody.storage import Folder


@pytest.fixture
def build(demo, tmp_path):
    return shutil.copytree(demo.out, tmp_path / "build")


@pytest.fixture(scope="module")
def shared(demo, tmp_path_factory):
    """A copy for tests that put back what they change."""
    return shutil.copytree(demo.out, tmp_path_factory.mktemp("verify") / "build")


def lines_of(folder):
    return [f"{one.severity}: {one.line}" for one in verify_build(Folder(folder)).findings]


def test_a_finished_build_is_clean(shared):
    found = verify(str(shared))
    assert found.kind == "build" and found.findings == []
    outputs = [p for p in shared.rglob("*/*") if p.suffix in (".parquet", ".tar", ".lookup")]
    assert found.files == len(outputs)
    assert found.bytes == sum(path.stat().st_size for path in outputs)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_of_any_committed_file_is_found(shared, data):
    free = ("build.log", "README.md", "sites", "metrics.jsonl")  # no record lists them
    files = sorted(
        p for p in shared.rglob("*") if p.is_file() and not {*p.relative_to(shared).parts} & {*free}
    )
    path = data.draw(st.sampled_from(files))
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    flip(path, place, data.draw(st.integers(0, 7)))
    try:
        assert not verify_build(Folder(shared)).clean
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("stage", ["download", "persons", "pack"])
def test_the_damaged_pictures_of_a_tar_are_named(build, stage):
    table = next((build / stage).glob("*0.parquet" if stage == "pack" else "????????.parquet"))
    rows = [row for row in pq.read_table(table).to_pylist() if row["offset"] is not None]
    flip(table.with_suffix(".tar"), rows[1]["offset"] + 9)
    (line,) = lines_of(build)
    key = rows[1]["crop" if stage == "persons" else "key"]
    assert line.startswith(f"error: {stage}/{table.stem}.tar: was changed")
    assert f"({key})" in line and "--repair" in line


def test_files_that_are_gone_or_shorter_are_told(build):
    next((build / "faces").glob("*.parquet")).unlink()
    path = next((build / "keypoints").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    gone, short = lines_of(build)
    assert "is missing" in gone and "bytes instead of" in short


def test_evicted_outputs_are_not_missed(build):
    folder = Folder(build)
    shard = next(p.stem for p in (build / "download").glob("*.json"))
    record = read_record(folder, "download", shard)
    record = type(record)(**{**vars(record), "evicted": (f"{shard}.tar",)})
    folder.write_bytes(record_name("download", shard), record.to_json())
    folder.remove(f"download/{shard}.tar")
    assert lines_of(build) == []


def test_a_build_that_is_not_finished_is_told(build):
    next((build / "clusters").glob("*.json")).unlink()
    lines = lines_of(build)
    assert any(line.startswith("error: clusters: ") and "not committed" in line for line in lines)


def test_a_build_that_is_not_finished_misses_nothing_that_comes_last(build):
    (build / "pack" / "index.json").unlink()
    (build / "person-ids.parquet").unlink()
    assert not any("person-ids" in line for line in lines_of(build))


def test_strays_are_told(build):
    (build / "faces" / "mine.txt").write_text("x")
    (line,) = lines_of(build)
    assert line.startswith("warning: faces: holds files") and "mine.txt" in line


def test_an_index_of_another_time_is_told(build):
    index = json.loads((build / "pack" / "index.json").read_text())
    index["splits"]["train"]["people"] += 1
    (build / "pack" / "index.json").write_text(json.dumps(index))
    (line,) = lines_of(build)
    assert "pack/index.json: is not what the commit records say" in line


def test_removed_samples_that_are_still_there_are_told(build):
    row = pq.read_table(next((build / "split").glob("train-*.parquet"))).to_pylist()[0]
    listed = Removals("ab" * 32).plus(date(2026, 1, 2), "request", [("url", row["url"])])
    listed.write(Folder(build))
    lines = lines_of(build)
    assert any("removals.parquet: are others" in line for line in lines)
    where = {line.split()[1].split("/")[0] for line in lines if "taken down (row" in line}
    assert where == {"plan", "download", "split", "ledger"}
    assert not any(row["url"] in line for line in lines)


def test_a_folder_from_which_something_was_taken_down_is_clean(build):
    row = pq.read_table(next((build / "split").glob("train-*.parquet"))).to_pylist()[0]
    listed = Removals("ab" * 32).plus(date(2026, 1, 2), "request", [("person", row["person"])])
    assert apply(Folder(build), RemovalLists((listed,)), listed).rows
    assert lines_of(build) == []


def test_a_sample_of_the_files(shared):
    folder, seen = Folder(shared), set()
    whole = verify_build(folder).files
    for day in range(30):
        found = verify_build(folder, SampleDraw(0.2, f"day {day}"))
        assert found.clean and found.files < whole / 2
        seen |= {f"{day % 3}" if found.files else ""}
    assert seen
    takes = SampleDraw(0.2, "1").takes
    names = [str(number) for number in range(1000)]
    assert 150 < sum(map(takes, names)) < 250
    assert {n for n in names if takes(n)} < {n for n in names if SampleDraw(0.5, "1").takes(n)}
    assert {n for n in names if takes(n)} != {n for n in names if SampleDraw(0.2, "2").takes(n)}


def test_neither_build_nor_release(tmp_path):
    with pytest.raises(WebbodyError, match="neither a build nor an import nor a release"):
        verify(str(tmp_path))


def test_people_in_two_splits_and_people_with_one_image():
    people = np.array([5, 5, 7, 8, 8, 9])
    splits = np.array(["train", "test", "test", "train", "train", "train"], "S8")
    torn, alone = people_findings("pack", people, splits)
    assert torn.severity == "error" and "1 people" in torn.what and "person 5" in torn.what
    assert alone.severity == "warning" and "2 of 4 people" in alone.what
    assert list(people_findings("pack", people[3:5], splits[3:5])) == []


def test_keys_that_are_there_twice():
    (found,) = key_findings("pack", np.array(["a", "b", "a", "a"], "S20"))
    assert "2 samples" in found.what


@pytest.mark.parametrize(
    "box", [[-0.1, 0, 1, 1], [0, 0, 1, 1.01], [0.5, 0, 0.5, 1], [0, 0, float("nan"), 1]]
)
def test_boxes_outside(box):
    boxes = np.array([[0, 0, 1, 1], box, [0.2, 0.1, 0.4, 0.9]], np.float32)
    (found,) = box_findings("split", boxes)
    assert "1 boxes" in found.what and "row 1" in found.what


def test_wrong_counts_in_a_pack_are_told(build):
    """Tables that were written wrong, whose own digests hold."""
    path = next((build / "pack").glob("train-*.parquet"))
    folder, shard = Folder(build), path.stem
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), path)
    record = read_record(folder, "pack", shard)
    data = path.read_bytes()
    output = type(record.outputs[path.name])(hashlib.sha256(data).hexdigest(), len(data))
    record = type(record)(**{**vars(record), "outputs": {**record.outputs, path.name: output}})
    folder.write_bytes(record_name("pack", shard), record.to_json())
    lines = lines_of(build)
    assert any("samples, its record" in line for line in lines)
    assert any("have the key of another one" in line for line in lines)
