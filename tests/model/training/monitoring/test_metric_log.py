"""What a run leaves for people to look at."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.training.monitoring import dashboards
from model.training.monitoring.curves import draw
from model.training.monitoring.dashboards import open_dashboards
from model.training.monitoring.metric_log import CURVES, LOG, SCORES, MetricLogger, read
from model.training.monitoring.progress import TrainingProgress
from model.training.monitoring.validator import Score
from model.training.steps.part_weights import PartWeights
from tests.model.training.full_disk import full_disk
from webbody.errors import WebbodyError

STEPS = 40


def progress(done: int, loss: float | None = None) -> TrainingProgress:
    return TrainingProgress(
        done=done,
        steps=STEPS,
        seen=done * 8,
        loss=30 / done if loss is None else loss,
        grad_norm=2.0,
        feature_norm=20.0,
        lr=1e-4 * (1 - done / (STEPS + 1)),
        images=100.0 + done,
        tokens=1e4,
        data_wait=0.1,
        seconds_per_step=0.1,
        eta=3.0,
        mfu=None,
        parts=PartWeights(0.5, 0.1, {"nose": 0.4, "left_eye": 0.6}),
    )


def score(done: int) -> Score:
    return Score(done, done * 8, done / STEPS, done / STEPS / 2, 50, 0, 1.0)


def kept(folder: Path, begin: int, end: int, told: list[str] | None = None, **options) -> None:
    """The metrics of the steps after `begin`, to `end`."""
    if (folder / "tensorboard").exists():
        # TensorBoard orders files by their names: the second, then the number within a process.
        time.sleep(1 - time.time() % 1)
    arguments = {"project": "", "settings": {}, "say": (told if told is not None else []).append}
    log = MetricLogger(
        folder, begin, lambda: open_dashboards(folder, begin, **{**arguments, **options})
    )
    for done in range(begin + 1, end + 1):
        if done % 10 == 0:
            log.score(score(done))
        log.progress(progress(done))
    log.close()


def scalars(folder: Path, name: str) -> dict[int, float]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {event.step: event.value for event in events.Scalars(name)}


def test_lines_and_scalars_of_all_reports(tmp_path: Path) -> None:
    kept(tmp_path, 0, STEPS)
    lines = read(tmp_path / LOG)
    assert [line["done"] for line in lines] == list(range(1, STEPS + 1))
    assert TrainingProgress(
        **{**lines[-1], "parts": PartWeights(**lines[-1]["parts"])}
    ) == progress(STEPS)
    assert [Score(**line) for line in read(tmp_path / SCORES)] == [
        score(n) for n in (10, 20, 30, 40)
    ]
    assert scalars(tmp_path, "training/loss") == pytest.approx({n: 30 / n for n in range(1, 41)})
    assert scalars(tmp_path, "validation/rank1")[40] == 1
    assert scalars(tmp_path, "parts/left_eye")[1] == pytest.approx(0.6)
    assert Image.open(tmp_path / CURVES).format == "PNG"


def test_a_run_that_goes_on_takes_out_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    kept(tmp_path, 0, 25)
    with open(tmp_path / LOG, "a", encoding="utf-8") as file:
        file.write('{"done": 26, "los')  # killed while writing
    kept(tmp_path, 15, STEPS)
    assert [line["done"] for line in read(tmp_path / LOG)] == list(range(1, STEPS + 1))
    assert [line["done"] for line in read(tmp_path / SCORES)] == [10, 20, 30, 40]
    assert list(scalars(tmp_path, "training/loss")) == list(range(1, STEPS + 1))


def test_an_older_log_is_read_by_todays_names(tmp_path: Path) -> None:
    old = {"done": 1, "gradient": 2.0, "norm": 3.0, "rate": 1e-4, "waiting": 0.5, "left": 9.0}
    (tmp_path / LOG).write_text(json.dumps(old) + "\n[1]\n", encoding="utf-8")
    (line,) = read(tmp_path / LOG)
    assert line == {
        "done": 1, "grad_norm": 2.0, "feature_norm": 3.0, "lr": 1e-4, "data_wait": 0.5, "eta": 9.0,
    }  # fmt: skip


def test_lines_of_others_are_taken_out_when_a_run_goes_on(tmp_path: Path) -> None:
    kept(tmp_path, 0, 5)
    with (tmp_path / LOG).open("a", encoding="utf-8") as lines:
        lines.write('{"note": "by hand"}\n')
    kept(tmp_path, 3, 6)
    assert [line["done"] for line in read(tmp_path / LOG)] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_begins_anew_takes_out_everything(tmp_path: Path) -> None:
    kept(tmp_path, 0, 25)
    kept(tmp_path, 0, 8)
    assert [line["done"] for line in read(tmp_path / LOG)] == list(range(1, 9))
    assert read(tmp_path / SCORES) == []
    assert list(scalars(tmp_path, "training/loss")) == list(range(1, 9))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with full_disk(1000), pytest.raises(WebbodyError, match=r"could not be written .*make room"):
        kept(tmp_path, 0, STEPS)


def test_nothing_is_touched_without_anything_new(tmp_path: Path) -> None:
    kept(tmp_path, 0, 5)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    kept(tmp_path, 3, 3)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_is_not_installed_is_said_and_the_lines_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model.training.monitoring import metric_log as log

    for module in (dashboards, log):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    told: list[str] = []
    kept(tmp_path, 0, 3, told, project="people")
    assert len(told) == 1 and "tensorboard, matplotlib, wandb" in told[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOG]


def test_nothing_is_sent_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it would be an error
    kept(tmp_path, 0, 2)
    assert len(read(tmp_path / LOG)) == 2


def test_weights_and_biases_gets_the_figures_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    source = "s3://key:pa55word@bucket/data?X-Amz-Signature=51gn"
    kept(tmp_path, 0, 2, project="people", settings={"seed": 3, "data": {"sources": [source]}})
    name = (tmp_path / "wandb.id").read_text()
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    assert run.name.endswith(name)
    logged = next(run.glob("*.wandb")).read_bytes()
    assert b"training/loss" in logged and b"s3://***@bucket" in logged
    assert b"pa55word" not in logged and b"51gn" not in logged


def parts_with_ink(path: Path, rows: int, columns: int) -> list[bool]:
    """Which parts of a picture show something blue."""
    image = np.asarray(Image.open(path).convert("RGB")).astype(int)
    blue = (image[..., 2] - image[..., 0]) > 60
    return [
        part.any()
        for row in np.array_split(blue, rows, 0)
        for part in np.array_split(row, columns, 1)
    ]


def test_every_curve_is_drawn(tmp_path: Path) -> None:
    log = [json.loads(json.dumps(vars(progress(n)), default=vars)) for n in range(1, 30)]
    scores = [vars(score(n)) for n in (0, 10, 20)]
    for lines in (log, log[:1]):
        draw(lines, scores, tmp_path / "four.png")
        assert all(parts_with_ink(tmp_path / "four.png", 2, 2))
        draw(lines, [], tmp_path / "three.png")
        assert all(parts_with_ink(tmp_path / "three.png", 1, 3))
    draw([], scores, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_loss_without_number_is_drawn_as_a_gap(tmp_path: Path) -> None:
    log = [vars(replace(progress(n), loss=float("nan") if n == 5 else 1.0)) for n in range(1, 10)]
    draw(log, [], tmp_path / "gap.png")
    assert all(parts_with_ink(tmp_path / "gap.png", 1, 3))
