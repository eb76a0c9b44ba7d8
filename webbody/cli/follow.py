"""`webbody status --follow`: a build as it goes on, seen from outside."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from webbody.cli.train_estimate import duration
from webbody.lease_holder import lives_here
from webbody.lookout import Lookout, Sighting
from webbody.plain_text import plain_text
from webbody.storage import Folder

if TYPE_CHECKING:
    from pipelines.monitoring.metrics import BuildMetrics, StageMetrics

#: Seconds between two looks; in an object store each is four calls.
_EVERY, _EVERY_REMOTE = 2.0, 30.0
#: Seconds without anything new, in plain lines.
_QUIET = 60.0
#: Outcomes that are named.
_NAMED = 4
#: Lines of a terminal that are not a stage's: who builds, the table's frame.
_AROUND = 9
#: Characters that dropped photos need beside the other columns, and of these the frame's.
_OUTCOMES, _FRAME = 20, 3


def follow(
    out: str,
    every: float | None,
    console: Console,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Show a build until nobody builds in its folder any more; why it is so, in one sentence.

    Reads the lease and the end of the metrics, and writes nothing.
    """
    from pipelines.monitoring.metrics_file import read_last

    folder = Folder(out)
    lookout = Lookout(folder, clock=clock)
    seconds = every or (_EVERY if folder.local else _EVERY_REMOTE)
    last: Sighting | None = None
    with _View(console, out, clock) as view:
        while (sighting := lookout.look()) is not None and sighting.alive:
            view.show(sighting, read_last(folder))
            last = sighting
            sleep(seconds)
        if last is not None:  # what came since
            view.show(last, read_last(folder))
    if sighting is None:
        return f"Nobody builds in {out} now."
    if lives_here(sighting.holder) is None:  # on another machine, of which only signs are seen
        why = "gives no sign of life any more"
    else:
        why = "has ended without releasing it"
    return f"Nobody builds in {out} now: {sighting.holder.name} {why}."


class _View:
    """Redraws on a terminal; elsewhere prints a line for each stage of which something is new."""

    def __init__(self, console: Console, out: str, clock: Callable[[], float]) -> None:
        self._console, self._out, self._clock = console, out, clock
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._head = ""
        self._lines: dict[str, str] = {}
        self._printed = clock()

    def __enter__(self) -> "_View":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, sighting: Sighting, metrics: "BuildMetrics | None") -> None:
        """Show what is known now; metrics of another run are not this one's."""
        if metrics is not None and metrics.run != sighting.holder.key:
            metrics = None
        if self._live is not None:
            self._live.update(self._picture(sighting, metrics), refresh=True)
            return
        if (head := _head(self._out, sighting, metrics)) != self._head:
            self._head = head
            self._print(head)
        for name, stage in (metrics.stages if metrics else {}).items():
            if self._lines.get(name) != (line := _line(name, stage)):
                self._lines[name] = line
                self._print(line)
        if self._clock() - self._printed >= _QUIET:
            self._print(_life(sighting, metrics))

    def _print(self, line: str) -> None:
        self._printed = self._clock()
        self._console.print(Text(plain_text(line)), soft_wrap=True, highlight=False)

    def _picture(self, sighting: Sighting, metrics: "BuildMetrics | None") -> Group:
        lines = [_head(self._out, sighting, metrics), _life(sighting, metrics)]
        head = [Text(plain_text(line)) for line in lines]
        return Group(*head, *self._stages(metrics)) if metrics else Group(*head)

    def _stages(self, metrics: "BuildMetrics") -> list[RenderableType]:
        """The stages, as much of each as fits into the terminal, which shows no more than that."""
        width, height = self._console.size
        stages = metrics.stages
        if len(stages) > height - _AROUND:
            stages = {n: stage for n, stage in stages.items() if not _is_through(stage)} or stages
        wide = self._console.options.update_width(1000)
        room = width - Measurement.get(self._console, wide, _table(stages)).maximum
        if room >= 0:
            return [_table(stages, room - _FRAME if room >= _OUTCOMES else 0)]
        return [
            Text(plain_text(_line(name, stage)), no_wrap=True, overflow="ellipsis")
            for name, stage in stages.items()
        ]


def _head(out: str, sighting: Sighting, metrics: "BuildMetrics | None") -> str:
    text = f"{out} is written by {sighting.holder.name}"
    if metrics is not None:
        text += f", a build that began at {metrics.began}"
        if metrics.restarts:
            text += f" and whose Ray was started again ({metrics.restarts})"
    return f"{text}."


def _life(sighting: Sighting, metrics: "BuildMetrics | None") -> str:
    silent = sighting.silent
    life = "none yet" if silent is None else f"{duration(silent)} ago"
    figures = "" if metrics is None else f"; newest figures: after {duration(metrics.elapsed)}"
    return f"Last sign of life: {life}{figures}."


def _is_through(stage: "StageMetrics") -> bool:
    return stage.done == stage.shards and not stage.is_running


def _table(stages: Mapping[str, "StageMetrics"], dropped: int = 0) -> Table:
    """A line for each stage.

    dropped: width of the column of dropped photos; 0: it is left out.
    """
    table = Table()
    table.add_column("stage", no_wrap=True)
    for column in ("done", "of", "running", "waiting", "failed", "images/s", "time left"):
        table.add_column(column, justify="right", no_wrap=True)
    if dropped:
        table.add_column("dropped", no_wrap=True, overflow="ellipsis", max_width=dropped)
    for name, stage in stages.items():
        cells: list[RenderableType] = [
            Text(plain_text(name)),
            f"{stage.done:,}",
            "?" if stage.shards is None else f"{stage.shards:,}",
            f"{stage.running:,}" if stage.running else "",
            f"{stage.waiting:,}" if stage.waiting else "",
            Text(f"{stage.failed:,}" if stage.failed else "", style="red"),
            "" if stage.images_per_second is None else f"{stage.images_per_second:,.1f}",
            duration(stage.eta) if stage.eta else "",
        ]
        table.add_row(*cells, *([Text(plain_text(_dropped(stage)))] if dropped else ()))
    return table


def _line(name: str, stage: "StageMetrics") -> str:
    parts = [f"{stage.done:,}/{'?' if stage.shards is None else f'{stage.shards:,}'} shards"]
    counts = {"running": stage.running, "waiting": stage.waiting, "failed": stage.failed}
    parts += [f"{count:,} {what}" for what, count in counts.items() if count]
    if stage.images_per_second is not None:
        parts.append(f"{stage.images_per_second:,.1f} images/s")
    if stage.eta:
        parts.append(f"{duration(stage.eta)} left")
    dropped = _dropped(stage)
    return f"{name:<11} {', '.join(parts)}{f'; dropped {dropped}' if dropped else ''}"


def _dropped(stage: "StageMetrics") -> str:
    most = sorted(stage.outcomes.items(), key=lambda item: -item[1])
    text = ", ".join(f"{name} {count:,}" for name, count in most[:_NAMED])
    return f"{text} ..." if len(most) > _NAMED else text
