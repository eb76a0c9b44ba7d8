"""The metrics of a run: log files, TensorBoard, Weights & Biases, curves.

In the run's folder: `log.jsonl` has a line for each report (progress.TrainingProgress),
`validation.jsonl` one for each validation (ValidationScore); `tensorboard/` and, at the end,
`curves.png` show the same. `validation-rankings.json` has some rankings of the newest validation.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from model.training.monitoring.curves import draw
from model.training.monitoring.example_rankings import ExampleRanking
from model.training.monitoring.progress import TrainingProgress
from model.training.monitoring.validation_schedule import ValidationScore
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.redaction import redacted_json

LOG, SCORES, CURVES = "log.jsonl", "validation.jsonl", "curves.png"
RANKINGS = "validation-rankings.json"
#: Names of metrics in older logs.
_RENAMED = {
    "gradient": "grad_norm",
    "norm": "feature_norm",
    "rate": "lr",
    "waiting": "data_wait",
    "left": "eta",
}


class Dashboard(Protocol):
    """A dashboard for figures by name over steps."""

    def add(self, figures: Mapping[str, float], step: int) -> None: ...

    def close(self) -> None: ...


class MetricLogger:
    """Writes a run's figures as they come; `close` draws the curves.

    A run that goes on after `begin` steps takes out what was written of later ones, when the first
    new figures come: until then the run may turn out to be another. `open_dashboards` is called
    then, too.
    """

    def __init__(
        self, folder: Path, begin: int, open_dashboards: Callable[[], list[Dashboard]]
    ) -> None:
        self._folder, self._begin = folder, begin
        self._open = open_dashboards
        self._dashboards: list[Dashboard] | None = None

    def progress(self, progress: TrainingProgress) -> None:
        """Figures of the last steps."""
        self._write(LOG, asdict(progress))
        names = (
            "loss",
            "grad_norm",
            "feature_norm",
            "lr",
            "images",
            "tokens",
            "data_wait",
            "mfu",
            "seen",
        )
        figures = {f"training/{name}": getattr(progress, name) for name in names}
        if progress.parts is not None:
            figures["parts/mean"] = progress.parts.mean
            figures["parts/spread"] = progress.parts.spread
            figures |= {f"parts/{name}": value for name, value in progress.parts.keypoints.items()}
        self._show(figures, progress.done)

    def score(self, score: ValidationScore) -> None:
        """Figures of a validation."""
        self._write(SCORES, asdict(score))
        self._show({f"validation/{name}": v for name, v in score.shown().items()}, score.done)

    def examples(self, done: int, examples: Sequence[ExampleRanking]) -> None:
        """Some rankings of a validation after `done` steps; those of the one before go."""
        path = self._folder / RANKINGS
        told = {"done": done, "rankings": [asdict(one) for one in examples]}
        with _written(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + ".partial")
            partial.write_text(json.dumps(redacted_json(told)) + "\n", encoding="utf-8")
            partial.replace(path)

    def close(self) -> None:
        """Closes the dashboards and draws the curves, if there was anything new."""
        if self._dashboards is None:
            return
        with _written(self._folder):
            for dashboard in self._dashboards:
                dashboard.close()
            if find_spec("matplotlib") is not None:
                log, scores = read(self._folder / LOG), read(self._folder / SCORES)
                draw(log, scores, self._folder / CURVES)

    def _write(self, name: str, figures: dict[str, Any]) -> None:
        path = self._folder / name
        with _written(path):
            if self._dashboards is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                for file in (LOG, SCORES):
                    _cut(self._folder / file, self._begin)
                self._dashboards = self._open()
            with open(path, "a", encoding="utf-8") as lines:
                lines.write(json.dumps(figures) + "\n")

    def _show(self, figures: Mapping[str, float | None], step: int) -> None:
        known = {name: value for name, value in figures.items() if value is not None}
        with _written(self._folder):
            for dashboard in self._dashboards or ():
                dashboard.add(known, step)


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; none where there is no file. A line that a kill cut off is left out."""
    return read_lines(path.read_text(encoding="utf-8")) if path.is_file() else []


def read_lines(text: str) -> list[dict[str, Any]]:
    """The figures of each line of a log's text."""
    found = []
    for line in text.splitlines():
        try:
            figures = parse_json(line)
            found.append({_RENAMED.get(name, name): value for name, value in figures.items()})
        except (ValueError, AttributeError):
            continue
    return found


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WebbodyError(
            f"{path}: the figures could not be written ({error}); make room and run the same "
            "command again to go on from the newest checkpoint"
        ) from error


def _cut(path: Path, begin: int) -> None:
    """Leaves the lines of the first `begin` steps; a run that begins anew leaves none."""
    lines = read(path)
    kept = [line for line in lines if begin > 0 and line.get("done", math.inf) <= begin]
    if path.is_file():
        partial = path.with_name(path.name + ".partial")
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        partial.replace(path)
