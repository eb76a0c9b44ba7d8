"""Progress on a terminal, and in plain lines elsewhere: a bar per stage of a build, or one line."""

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from webbody.plain_text import plain_text

if TYPE_CHECKING:
    from pipelines.engine.worker import Event

#: Where nobody watches a terminal, a line at most this often (of a build: per stage); seconds.
_PLAIN_INTERVAL = 5.0


class BuildProgress:
    """A listener for the events of a build; use it in a `with`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._bars = Bars(
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("shards"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._total: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._items: dict[str, int] = {}
        self._busy: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._warned: set[str] = set()

    def __enter__(self) -> "BuildProgress":
        if self._live:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._bars.stop()

    def __call__(self, event: "Event") -> None:
        stage = event.stage
        if event.kind == "queued":
            self._total[stage] = event.counts["shards"]
            self._show(stage)
        elif event.kind in ("done", "skipped"):
            self._done[stage] = self._done.get(stage, 0) + 1
            self._items[stage] = self._items.get(stage, 0) + event.counts.get("in", 0)
            self._busy[stage] = self._busy.get(stage, 0.0) + event.seconds
            self._show(stage)
        elif event.kind == "warning":
            self._warned.add(stage)
            line = Text.assemble(("warning: ", "yellow"), plain_text(event.message))
            self._console.print(line, soft_wrap=True)
            if self._live:
                self._show(stage)
        elif event.kind == "note":
            line = Text.assemble(("note: ", "yellow"), plain_text(event.message))
            self._console.print(line, soft_wrap=True)
        elif event.kind == "failed":
            where = "" if event.shard == "all" else f" shard {event.shard}"
            head, *trace = event.message.splitlines() or [""]
            line = Text.assemble((f"{stage}{where} failed:", "red"), " ", plain_text(head))
            self._console.print(line, soft_wrap=True)
            for text in trace:
                self._console.print(Text(plain_text(text)), soft_wrap=True)

    def _show(self, stage: str) -> None:
        done, total = self._done.get(stage, 0), self._total.get(stage, 1)
        items, busy = self._items.get(stage, 0), self._busy.get(stage, 0.0)
        note = f"{items:,} in, {items / busy:,.0f}/s per worker" if busy and items else ""
        if stage in self._warned:
            note = f"drops nearly all  {note}".rstrip()
        if self._live:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=total, note=note)
            self._bars.update(self._tasks[stage], completed=done, total=total, note=note)
            return
        now = time.monotonic()
        if done and (done == total or now - self._told.get(stage, 0.0) >= _PLAIN_INTERVAL):
            self._told[stage] = now
            line = f"{stage:<11} {done}/{total} shards  {note}"
            self._console.print(line.rstrip(), highlight=False)


class StatusLine:
    """What is done so far in one line, which changes on a terminal; use it in a `with`."""

    def __init__(self, console: Console, first: str) -> None:
        self._console, self._status = console, console.status(first)
        self._start = self._told = time.monotonic()

    def __enter__(self) -> "StatusLine":
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    @property
    def seconds(self) -> float:
        """Since the line was made."""
        return time.monotonic() - self._start

    def show(self, line: str) -> None:
        now = time.monotonic()
        shown = Text(plain_text(line))
        if self._console.is_terminal:
            self._status.update(shown)
        elif now - self._told >= _PLAIN_INTERVAL:
            self._told = now
            self._console.print(shown)
