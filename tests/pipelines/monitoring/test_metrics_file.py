"""The lines in a build's folder: what is added, and what a reader finds after any end."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.monitoring.metrics import BuildMetrics, StageMetrics
from pipelines.monitoring.metrics_file import METRICS, MetricsFile, read_last
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


def lines(folder, name=METRICS):
    return [json.loads(line)["elapsed"] for line in folder.read(name).splitlines()]


def test_a_run_adds_to_what_the_one_before_wrote(folder):
    assert read_last(folder) is None
    for run in (0, 1):
        file = MetricsFile(folder)
        for number in range(3):
            file.add(moment(10 * run + number))
    assert lines(folder) == [0, 1, 2, 10, 11, 12]
    assert read_last(folder) == moment(12)


def test_in_a_store_the_newest_file_stays_small(folder):
    for run in range(3):
        file = MetricsFile(folder)
        for number in range(100 * run, 100 * run + 100):
            file.add(moment(number))
    if folder.local:
        assert lines(folder) == list(range(300))
        assert folder.names() == [METRICS]
    else:
        assert lines(folder, "metrics-000001.jsonl") == list(range(200))
        assert lines(folder) == list(range(200, 300))
        assert folder.names() == ["metrics-000001.jsonl", METRICS]
    assert read_last(folder) == moment(299)


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path):
    folder, path = Folder(tmp_path), tmp_path / METRICS
    MetricsFile(folder).add(moment(1))
    with path.open("ab") as cut:
        cut.write(moment(2).to_json()[:40])
    assert read_last(folder) == moment(1)
    MetricsFile(folder).add(moment(3))
    assert read_last(folder) == moment(3)
    assert path.read_bytes() == b"".join(
        [moment(1).to_json(), moment(2).to_json()[:40], b"\n", moment(3).to_json()]
    )


@pytest.mark.parametrize("content", [b"", b"\n", b"[]\n{}\n", b"\xff\x00" * 9, b'{"build": 7}'])
def test_what_is_no_line_is_no_metrics(tmp_path, content):
    (tmp_path / METRICS).write_bytes(content)
    assert read_last(Folder(tmp_path)) is None


def test_of_a_large_file_the_end_alone_is_read(tmp_path, monkeypatch):
    (tmp_path / METRICS).write_bytes(MOMENT.to_json() * 20_000 + moment(9).to_json())
    read = 0

    class Counting(io.FileIO):
        def read(self, *arguments):
            nonlocal read
            data = super().read(*arguments)
            read += len(data)
            return data

    monkeypatch.setattr(Path, "open", lambda path, mode: Counting(path, mode))
    assert read_last(Folder(tmp_path)) == moment(9)
    assert 0 < read <= 1 << 18


def test_a_folder_that_takes_no_line_costs_the_build_nothing(tmp_path, caplog):
    (tmp_path / METRICS).mkdir()  # where the file should be
    MetricsFile(Folder(tmp_path)).add(MOMENT)
    assert "metrics could not be written" in caplog.text


def test_of_a_stage_what_is_zero_is_not_written():
    stage = {"shards": 9, "done": 4}
    assert json.loads(MOMENT.to_json())["stages"] == {"persons": stage}
    empty = replace(MOMENT, stages={"persons": StageMetrics(None, 0, eta=0.0)})
    assert json.loads(empty.to_json())["stages"] == {
        "persons": {"shards": None, "done": 0, "eta": 0.0}
    }
