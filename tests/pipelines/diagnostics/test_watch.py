"""Counts while a stage works, and the warning where it drops nearly all."""

import io
from collections import Counter
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipelines.base import tally as tallying
from pipelines.base.tally import PhotoTally
from pipelines.diagnostics.watch import DropMonitor
from pipelines.engine.worker import Event
from webbody.cli.progress import BuildProgress
from webbody.config import BuildConfig

SETTINGS = BuildConfig().model_dump(mode="json")
OUTCOMES = st.sampled_from([None, "face:none", "face:low-score"])


@contextmanager
def interval(seconds):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallying, "INTERVAL", seconds)
        yield


@given(st.lists(st.lists(OUTCOMES, min_size=1, max_size=4)), st.sampled_from([0.0, 1000.0]))
def test_a_photo_counts_once_and_every_photo_counts(photos, seconds):
    reports = []
    with interval(seconds):
        tally = PhotoTally(reports.append)
        for number, persons in enumerate(photos):
            for outcome in persons:
                tally.add(f"{number}", outcome)
        tally.finish()
    wanted = Counter("out" if None in persons else persons[0] for persons in photos)
    wanted["in"] = len(photos)
    assert sum(map(Counter, reports), Counter()) == +wanted
    if seconds:  # nobody is bothered more often than that
        assert len(reports) <= 1


def test_two_shards_with_one_tally_each_do_not_share_a_photo():
    reports = []
    for _ in range(2):
        tally = PhotoTally(reports.append)
        tally.add("a", None)
        tally.finish()
    assert reports == [{"in": 1, "out": 1}] * 2


def watched(*events):
    told = []
    watch = DropMonitor(SETTINGS, told.append)
    for event in events:
        watch.on_event(event)
    return told, watch


def progress(stage, **counts):
    return Event(stage, "ab", "progress", {k.replace("_", ":", 1): n for k, n in counts.items()})


def queued(stage, shards=2):
    return Event(stage, "", "queued", {"shards": shards})


def test_a_stage_that_drops_nearly_all_is_told_once_and_at_once():
    told, watch = watched(
        queued("faces"), progress("faces", **{"in": 499, "face_low-score": 490, "out": 9})
    )
    assert told == []
    watch.on_event(progress("faces", **{"in": 1, "face_none": 1}))
    assert [(event.stage, event.kind) for event in told] == [("faces", "warning")]
    assert "491 of 500 rows so far, 490 of them face:low-score" in told[0].message
    assert "look at faces.min_score (now " in told[0].message
    watch.on_event(progress("faces", **{"in": 1000, "face_none": 1000}))
    watch.end()
    assert len(told) == 1


@pytest.mark.parametrize(
    "counts",
    [
        {"in": 5000, "out": 500, "download_dns": 4500},  # exactly nine tenths
        {"in": 5000, "out": 5000},
        {"in": 499, "out": 0, "download_dns": 499},  # it goes on
    ],
)
def test_nothing_is_told_of_a_stage_that_lets_enough_pass(counts):
    assert watched(queued("download"), progress("download", **counts))[0] == []


@pytest.mark.parametrize(("rows", "warnings"), [(49, 0), (50, 1)])
def test_a_small_build_is_judged_when_its_stage_ends(rows, warnings):
    dead = progress("download", **{"in": rows, "download_dns": rows})
    told, watch = watched(queued("download", 1), dead)
    assert told == []
    watch.on_event(Event("download", "ab", "done", {"in": rows, "out": 0}))
    assert len(told) == warnings
    assert all("download:dns" in event.message for event in told)


def test_shards_that_failed_before_leave_no_stage_unjudged():
    dead = progress("faces", **{"in": 80, "face_none": 80})
    told, watch = watched(queued("faces", 2), dead, Event("faces", "ab", "done", {"in": 80}))
    assert told == []
    watch.end()
    assert len(told) == 1


def test_a_list_of_rows_that_are_no_rows_is_told_by_its_plan():
    counts = {"in": 900, "out": 3, "shards": 1, "manifest:bad-url": 890, "manifest:no-name": 7}
    told, _ = watched(Event("plan", "all", "done", counts))
    assert "897 of 900 rows so far, 890 of them manifest:bad-url" in told[0].message


@pytest.mark.parametrize("terminal", [False, True])
def test_strangers_text_reaches_the_terminal_as_text(terminal):
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=300, color_system=None)
    hostile = "server said [/red] [link=http://x]\x1b[2J \x9b31m"
    with BuildProgress(console) as shown:
        shown(queued("faces", 1))
        shown(Event("faces", "", "warning", {}, message=hostile))
        shown(Event("faces", "ab", "failed", message=f"{hostile}\nTraceback {hostile}"))
    text = file.getvalue()
    assert text.count("server said [/red] [link=http://x]\N{REPLACEMENT CHARACTER}[2J") == 3
    assert "\x1b[2J" not in text and "\x9b" not in text
    assert "warning: " in text
