"""When a run is validated, and its best model so far, whatever a score is."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from model.folder_writing import all_or_nothing, put_in_place
from model.training.steps.base import BaseTrainer
from model.training.steps.plan import TrainingStep

_SCORE = "score.json"


class ValidationScore(Protocol):
    """A validation after `done` steps: a dataclass of figures."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def done(self) -> int: ...

    def beats(self, other: Self | None) -> bool:
        """Whether it is better than another; any is better than none."""

    def shown(self) -> Mapping[str, float]:
        """The figures for dashboards, by name."""


S = TypeVar("S", bound=ValidationScore)


class ScheduledValidator(ABC, Generic[S]):
    """Validates a model every `every` steps, before the first and after the last; 0: only then.

    The model with the best score is kept in the folder `best`, beside the checkpoints, with its
    score in score.json; an untrained model is not kept. The first rank calls `on_score` with each
    score and whether it is the best.
    """

    def __init__(
        self, kind: type[S], best: Path, *, every: int, on_score: Callable[[S, bool], None]
    ) -> None:
        self._kind, self._best, self._every, self._on_score = kind, best, every, on_score
        self._scores: dict[str, S | None] = {"newest": None, "best": None}

    @abstractmethod
    def measure(self, trainer: Any, done: int, seen: int) -> S:
        """The score of a trainer's model after `done` steps and `seen` images; on every rank."""

    def due(self, done: int, steps: Sequence[TrainingStep]) -> bool:
        """Whether the model is validated after `done` steps."""
        return done in (0, len(steps)) or (self._every > 0 and done % self._every == 0)

    def is_overdue(self, begin: int, steps: Sequence[TrainingStep]) -> bool:
        """Whether the validation due after `begin` steps was skipped when the run stopped."""
        newest = self._scores["newest"]
        known = newest is not None and newest.done == begin
        return self.due(begin, steps) and begin < len(steps) and not known

    def __call__(self, trainer: BaseTrainer, done: int, steps: Sequence[TrainingStep]) -> None:
        """Validate; every rank calls it."""
        seen = steps[done - 1].start + steps[done - 1].size if done else 0
        score = self.measure(trainer, done, seen)
        is_best = done > 0 and score.beats(self._scores["best"])
        self._scores["newest"] = score
        if is_best:
            self._scores["best"] = score
            self._keep(trainer, score)
        if trainer.rank == 0:
            self._on_score(score, is_best)

    def notes(self) -> dict[str, Any]:
        """The newest score and the best, for a checkpoint."""
        return {name: score and asdict(score) for name, score in self._scores.items()}

    def restore(self, notes: dict[str, Any]) -> None:
        """Set the scores from a checkpoint's notes; missing ones are cleared."""
        for name in self._scores:
            self._scores[name] = self._kind(**notes[name]) if notes.get(name) else None

    def _keep(self, trainer: BaseTrainer, score: S) -> None:
        """The folder holds either the old model or the new one, whole, with its score."""
        partial = self._best.with_name(self._best.name + ".partial")
        text = json.dumps(asdict(score), indent=2) + "\n"
        with all_or_nothing(self._best, partial, trainer.group):
            if trainer.rank == 0:
                trainer.save_model(partial)
                (partial / _SCORE).write_text(text, encoding="utf-8")
                put_in_place(partial, self._best)
