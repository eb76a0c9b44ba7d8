"""`webbody status --follow` on made-up folders, with a clock of the test."""

import io
import json
import re
import shutil
from dataclasses import replace

import pytest

from pipelines.monitoring.metrics import BuildMetrics, StageMetrics
from pipelines.monitoring.metrics_file import METRICS, MetricsFile
from tests.command_line import run
from webbody.cli.follow import follow
from webbody.cli.printing import PlainConsole
from webbody.lease import LEASE, Lease
from webbody.storage import Folder

BEGAN = "2026-01-02T03:04:05Z"


class Script:
    """A build elsewhere: what happens between two looks."""

    def __init__(self, path, *steps):
        self.folder, self.now, self.beat = Folder(path), 0.0, 0
        lease = Lease(self.folder)
        lease.take()
        self.values = json.loads(self.folder.read(LEASE)) | {"host": "another", "user": "me"}
        lease.release()
        self.file = MetricsFile(self.folder)
        self.steps = list(steps)
        self.slept = []
        self.sign()

    def sign(self):
        self.beat += 1
        values = {**self.values, "beat": self.beat}
        self.folder.write_bytes(LEASE, json.dumps(values).encode())

    def line(self, elapsed, **stages):
        self.file.add(BuildMetrics("d", self.values["key"], BEGAN, BEGAN, elapsed, 0, stages))

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        if self.steps:
            self.steps.pop(0)(self)

    def follow(self, every=None, **console):
        shown = io.StringIO()
        why = follow(
            self.folder.url,
            every,
            PlainConsole(file=shown, **{"width": 140, **console}),
            self.sleep,
            lambda: self.now,
        )
        return why, shown.getvalue()


def persons(**changes):
    return replace(StageMetrics(shards=40, done=12, running=2, waiting=5), **changes)


def test_plain_lines_tell_what_is_new(tmp_path):
    script = Script(
        tmp_path,
        lambda b: b.line(5.0, persons=persons(images_per_second=120.4, eta=700.0)),
        lambda b: None,
        lambda b: b.line(
            10.0,
            download=StageMetrics(40, 40, eta=0.0),
            persons=persons(
                done=13, failed=1, outcomes={"person:none": 1234, "person:too-small": 5}
            ),
        ),
        lambda b: b.folder.remove(LEASE),
    )
    why, text = script.follow()
    assert why == f"Nobody builds in {tmp_path} now."
    pid = script.values["process"].split("-")[1]
    assert text.splitlines() == [
        f"{tmp_path} is written by process {pid} of me on another.",
        f"{tmp_path} is written by process {pid} of me on another, a build that began at {BEGAN}.",
        "persons     12/40 shards, 2 running, 5 waiting, 120.4 images/s, 12 min left",
        "download    40/40 shards",
        "persons     13/40 shards, 2 running, 5 waiting, 1 failed; dropped person:none 1,234, "
        "person:too-small 5",
    ]
    assert script.slept == [2.0] * 4


def test_a_builder_that_is_lost_ends_it(tmp_path):
    signs = [lambda b: b.sign()] * 3
    script = Script(tmp_path, *signs)
    why, text = script.follow(every=10)
    assert "of me on another gives no sign of life any more" in why
    assert sum(script.slept) == 30 + 40  # three signs, and the patience of three more
    assert text.splitlines()[1:] == ["Last sign of life: 30 s ago."]


def test_a_quiet_build_shows_that_it_lives(tmp_path):
    script = Script(tmp_path, *[lambda b: b.sign()] * 13, lambda b: b.folder.remove(LEASE))
    _, text = script.follow(every=10)
    assert text.count("Last sign of life: 0 s ago.") == 2


def test_figures_of_an_earlier_run_are_not_shown(tmp_path):
    script = Script(tmp_path, lambda b: b.folder.remove(LEASE))
    old = BuildMetrics("d", "another run", BEGAN, BEGAN, 9.0, 0, {"persons": persons()})
    script.file.add(old)
    assert "persons" not in script.follow()[1]


def test_what_came_just_before_the_end_is_shown(tmp_path):
    def end(build):
        build.line(9.0, ledger=StageMetrics(40, 40))
        build.folder.remove(LEASE)

    assert "ledger      40/40 shards" in Script(tmp_path, end).follow()[1]


def test_a_terminal_is_redrawn(tmp_path):
    script = Script(
        tmp_path,
        lambda b: b.line(7.0, persons=persons(eta=90.0, outcomes={"face:[red]x\x1b[2J": 3})),
        lambda b: b.folder.remove(LEASE),
    )
    _, text = script.follow(force_terminal=True)
    assert re.search(r"persons.* 12 .* 40 .* 2 .* 5 .* 90 s", text)
    assert "newest figures: after 7 s" in text
    assert "face:[red]x" in text and "\x1b[2J" not in text
    assert "\x1b[" in text  # it moves the cursor


@pytest.mark.parametrize("width, height", [(24, 20), (80, 24), (80, 12), (120, 24), (300, 60)])
def test_a_terminal_of_any_size_shows_the_stages_under_way(tmp_path, width, height):
    through = {f"stage-{number}": StageMetrics(12345, 12345) for number in range(9)}
    many = {f"download:http-{code}": code for code in range(400, 420)}
    script = Script(
        tmp_path,
        lambda b: b.line(7.0, **through, persons=persons(outcomes=many)),
        lambda b: b.folder.remove(LEASE),
    )
    _, text = script.follow(force_terminal=True, width=width, height=height)
    last = text.rpartition("newest")[2].splitlines()
    assert any(re.search(r"persons +(│ +)?12", line) for line in last), text
    assert len(last) < height
    assert width < 120 or any("download:http-419" in line for line in last)


@pytest.mark.parametrize("damage", ["folder", "bytes"])
def test_metrics_that_cannot_be_read_are_done_without(tmp_path, damage):
    script = Script(tmp_path, lambda b: b.sign(), lambda b: b.folder.remove(LEASE))
    if damage == "folder":
        (tmp_path / METRICS).mkdir()
    else:
        (tmp_path / METRICS).write_bytes(b"\xff\x00" * 300_000)
    why, text = script.follow()
    assert why == f"Nobody builds in {tmp_path} now." and "is written by" in text


def test_reading_writes_nothing(tmp_path):
    script = Script(tmp_path, *[lambda b: None] * 3, lambda b: (tmp_path / LEASE).unlink())
    script.line(1.0, persons=persons())

    def state():
        return {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.name != LEASE}

    before = state()
    script.follow()
    after = state()
    after[tmp_path / "x"] = before[tmp_path / "x"] = 0
    assert after == before


def test_in_a_store_looks_are_seldom():
    script = Script("memory://followed", lambda b: b.folder.remove(LEASE))
    why, _ = script.follow()
    assert script.slept == [30.0] and why.startswith("Nobody builds")


def test_the_command_tells_the_state_at_the_end(demo):
    code, text, _ = run("status", demo.out, "--follow")
    assert code == 0
    assert text.startswith(f"Nobody builds in {demo.out} now.") and "committed" in text


def test_the_command_says_how_to_go_on(demo, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    next((out / "pack").glob("*.json")).unlink()
    code, text, _ = run("status", out, "--follow", "--every", "0.5")
    assert code == 1 and "Not complete: run `webbody build" in text.replace("\n", " ")


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf", "1e300", "soon"])
def test_times_that_nobody_can_wait_are_refused(tmp_path, every):
    code, _, error = run("status", tmp_path, "--follow", "--every", every)
    assert code == 2 and "--every" in error


def test_a_folder_without_a_build_is_refused(tmp_path):
    code, _, error = run("status", tmp_path, "--follow")
    assert code == 2 and "holds no build" in error


def test_ctrl_c_ends_it(tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    Script(tmp_path)
    monkeypatch.setattr("webbody.cli.follow._View.show", interrupt)
    code, _, error = run("status", tmp_path, "--follow")
    assert code == 130 and "Traceback" not in error
