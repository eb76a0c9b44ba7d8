"""The lines in a build's folder: what is added, and what a reader finds after any end."""

import json
from dataclasses import replace

import pytest

from pipelines.monitoring.metrics import BuildMetrics, StageMetrics
from pipelines.monitoring.metrics_file import MetricsFile, read_last
from webbody.storage import Folder

TIME = "2026-01-02T03:04:05Z"
STAGES = {"persons": StageMetrics(9, 4)}
MOMENT = BuildMetrics("data", "key", TIME, TIME, 0.0, 0, STAGES)


def moment(number):
    return replace(MOMENT, elapsed=float(number))


@pytest.fixture(params=["local", "store"])
def folder(request, tmp_path):
    # Of memory, like an object store: no file is added to.
    found = Folder(tmp_path if request.param == "local" else f"memory://{tmp_path.name}")
    yield found
    if found.fs.exists(found.root):
        found.fs.rm(found.root, recursive=True)


def lines(folder):
    names = folder.names("metrics")
    return [
        [json.loads(line)["elapsed"] for line in folder.read(f"metrics/{name}").splitlines()]
        for name in names
    ]


def test_each_run_begins_a_file_and_loses_no_line_of_the_one_before(folder):
    assert read_last(folder) is None
    for run in (0, 1):
        file = MetricsFile(folder)
        for number in range(3):
            file.add(moment(10 * run + number))
    assert folder.names("metrics") == ["000001.jsonl", "000002.jsonl"]
    assert lines(folder) == [[0, 1, 2], [10, 11, 12]]
    assert read_last(folder) == moment(12)


def test_a_file_ends_after_some_hundred_lines(folder):
    file = MetricsFile(folder)
    for number in range(201):
        file.add(moment(number))
    assert lines(folder) == [list(range(200)), [200]]
    assert read_last(folder) == moment(200)


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path):
    folder = Folder(tmp_path)
    file = MetricsFile(folder)
    file.add(moment(1))
    with (tmp_path / "metrics/000001.jsonl").open("ab") as cut:
        cut.write(moment(2).to_json()[:40])
    assert read_last(folder) == moment(1)
    (tmp_path / "metrics/000002.jsonl").write_bytes(moment(3).to_json()[:-9])
    assert read_last(folder) == moment(1)
    MetricsFile(folder).add(moment(4))
    assert read_last(folder) == moment(4)


def test_files_of_others_are_neither_read_nor_written(tmp_path):
    (tmp_path / "metrics").mkdir()
    for name in ("notes.jsonl", "7.jsonl", "000001.json"):
        (tmp_path / "metrics" / name).write_text("[]")
    assert read_last(Folder(tmp_path)) is None
    MetricsFile(Folder(tmp_path)).add(MOMENT)
    assert read_last(Folder(tmp_path)) == MOMENT
    others = [p for p in (tmp_path / "metrics").iterdir() if p.name != "000001.jsonl"]
    assert {path.read_text() for path in others} == {"[]"}


def test_a_folder_that_takes_no_line_costs_the_build_nothing(tmp_path, caplog):
    (tmp_path / "metrics").write_text("a file where the folder should be")
    MetricsFile(Folder(tmp_path)).add(MOMENT)
    assert "metrics could not be written" in caplog.text


def test_of_a_stage_what_is_zero_is_not_written():
    stage = {"shards": 9, "done": 4}
    assert json.loads(MOMENT.to_json())["stages"] == {"persons": stage}
    empty = replace(MOMENT, stages={"persons": StageMetrics(None, 0, eta=0.0)})
    assert json.loads(empty.to_json())["stages"] == {
        "persons": {"shards": None, "done": 0, "eta": 0.0}
    }
