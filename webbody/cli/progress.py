"""Progress of a build: a bar per stage on a terminal, plain lines elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

#: On a terminal nobody reads every shard; elsewhere a line at most this often per stage (seconds).
_PLAIN_INTERVAL = 5.0


class Progress:
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

    def __enter__(self) -> "Progress":
        if self._live:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._bars.stop()

    def __call__(self, event) -> None:
        stage = event.stage
        if event.kind == "queued":
            self._total[stage] = event.counts["shards"]
            self._show(stage)
        elif event.kind in ("done", "skipped"):
            self._done[stage] = self._done.get(stage, 0) + 1
            self._items[stage] = self._items.get(stage, 0) + event.counts.get("in", 0)
            self._busy[stage] = self._busy.get(stage, 0.0) + event.seconds
            self._show(stage)
        elif event.kind == "failed":
            where = "" if event.shard == "all" else f" shard {event.shard}"
            self._console.print(f"[red]{stage}{where} failed:[/red] {event.message}", markup=True)

    def _show(self, stage: str) -> None:
        done, total = self._done.get(stage, 0), self._total.get(stage, 1)
        items, busy = self._items.get(stage, 0), self._busy.get(stage, 0.0)
        note = f"{items:,} in, {items / busy:,.0f}/s per worker" if busy and items else ""
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
