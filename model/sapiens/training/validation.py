"""Validation of fine-tuning: the main figure on labelled pictures that are not trained on."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.sapiens.data.opening import LabelledData
from model.sapiens.evaluation import evaluate
from model.sapiens.training.task_trainer import TaskTrainer
from model.training.monitoring.validation_schedule import ScheduledValidator


@dataclass(frozen=True)
class TaskScore:
    """A validation after `done` steps and `seen` images.

    metric, value: the task's main figure (see SapiensFigures), the mean over the data sets; null
    where none defines it. figures: all of the first data set, by name.
    """

    done: int
    seen: int
    metric: str
    value: float | None
    higher_is_better: bool
    figures: dict[str, float]
    seconds: float

    def beats(self, other: "TaskScore | None") -> bool:
        """By the main figure; one that is defined beats one that is not."""
        if other is None or self.value is None or other.value is None:
            return other is None or (self.value is not None and other.value is None)
        better = self.value > other.value
        return better if self.higher_is_better else self.value < other.value

    def shown(self) -> Mapping[str, float]:
        """The figures of the first data set."""
        return self.figures


class TaskValidator(ScheduledValidator[TaskScore]):
    """Evaluates a model on data sets of its task; every rank looks at all of them.

    batch: images in one call of the model.
    """

    def __init__(
        self,
        data: Sequence[LabelledData],
        best: Path,
        *,
        every: int,
        batch: int,
        on_score: Callable[[TaskScore, bool], None],
    ) -> None:
        super().__init__(TaskScore, best, every=every, on_score=on_score)
        self._data, self._batch = data, batch

    def measure(self, trainer: TaskTrainer, done: int, seen: int) -> TaskScore:
        """Without mirroring, on the labelled boxes."""
        begin = time.monotonic()
        found = [
            evaluate(trainer.model, one, device=trainer.device, batch=self._batch)
            for one in self._data
        ]
        main = found[0].main
        values = [one.main.value for one in found if math.isfinite(one.main.value)]
        return TaskScore(
            done,
            seen,
            main.name,
            sum(values) / len(values) if values else None,
            main.higher_is_better,
            {one.name: one.value for one in found[0].figures if math.isfinite(one.value)},
            time.monotonic() - begin,
        )


def told(score: TaskScore, is_best: bool) -> str:
    """A sentence for the user."""
    value = "not defined" if score.value is None else f"{score.value:.4g}"
    best = ", the best so far" if is_best else ""
    return (
        f"Validation at step {score.done:,}: {score.metric} {value} in {score.seconds:.0f} s{best}."
    )


def validator_of(
    data: Sequence[LabelledData],
    settings: Mapping[str, Any],
    say: Callable[[str], None],
    metrics: Any,
) -> TaskValidator:
    """The validator of a run's settings; its scores go to `metrics` and to the user."""
    validation = settings["validation"]

    def on_score(score: TaskScore, is_best: bool) -> None:
        metrics.score(score)
        say(told(score, is_best))

    return TaskValidator(
        data,
        Path(settings["out"]) / "best",
        every=validation["steps"],
        batch=validation["batch"],
        on_score=on_score,
    )
