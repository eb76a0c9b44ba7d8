"""When a run is validated, and its best model so far."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.folder_writing import all_or_nothing, put_in_place
from model.training.monitoring.validation import HeldOut, rank_held_out
from model.training.steps.plan import TrainingStep
from model.training.steps.trainer import Trainer

_SCORE = "score.json"


@dataclass(frozen=True)
class Score:
    """A validation after `done` steps and `seen` images; rank1 and mAP are fractions."""

    done: int
    seen: int
    rank1: float
    mAP: float
    queries: int
    left_out: int
    seconds: float

    def beats(self, other: "Score | None") -> bool:
        """By rank-1, and by mAP where that is equal."""
        return other is None or (self.rank1, self.mAP) > (other.rank1, other.mAP)


class Validator:
    """Validates a model every `every` steps, before the first and after the last; 0: only then.

    The model with the best score is kept in the folder `best`, beside the checkpoints, with its
    score in score.json; an untrained model is not kept. The first rank calls
    `on_score` with each score and whether it is the best.
    """

    def __init__(
        self,
        held_out: HeldOut,
        best: Path,
        *,
        every: int,
        batch: int,
        on_score: Callable[[Score, bool], None],
    ) -> None:
        self._held_out, self._best, self._every, self._batch = held_out, best, every, batch
        self._on_score = on_score
        self._scores: dict[str, Score | None] = {"newest": None, "best": None}

    def due(self, done: int, steps: Sequence[TrainingStep]) -> bool:
        """Whether the model is validated after `done` steps."""
        return done in (0, len(steps)) or (self._every > 0 and done % self._every == 0)

    def is_overdue(self, begin: int, steps: Sequence[TrainingStep]) -> bool:
        """Whether the validation due after `begin` steps was skipped when the run stopped."""
        newest = self._scores["newest"]
        known = newest is not None and newest.done == begin
        return self.due(begin, steps) and begin < len(steps) and not known

    def __call__(self, trainer: Trainer, done: int, steps: Sequence[TrainingStep]) -> None:
        """Validate; every rank calls it."""
        begin = time.monotonic()
        group, device = trainer.classifier.group, trainer.device
        found = rank_held_out(
            trainer.model, self._held_out, batch=self._batch, device=device, group=group
        )
        seen = steps[done - 1].start + steps[done - 1].size if done else 0
        score = Score(done, seen, **asdict(found), seconds=time.monotonic() - begin)
        is_best = done > 0 and score.beats(self._scores["best"])
        self._scores["newest"] = score
        if is_best:
            self._scores["best"] = score
        if is_best:
            self._keep(trainer, score)
        if trainer.classifier.rank == 0:
            self._on_score(score, is_best)

    def notes(self) -> dict[str, Any]:
        """The newest score and the best, for a checkpoint."""
        return {name: score and asdict(score) for name, score in self._scores.items()}

    def restore(self, notes: dict[str, Any]) -> None:
        """Set the scores from a checkpoint's notes; missing ones are cleared."""
        for name in self._scores:
            self._scores[name] = Score(**notes[name]) if notes.get(name) else None

    def _keep(self, trainer: Trainer, score: Score) -> None:
        """The folder holds either the old model or the new one, whole, with its score."""
        partial = self._best.with_name(self._best.name + ".partial")
        text = json.dumps(asdict(score), indent=2) + "\n"
        with all_or_nothing(self._best, partial, trainer.classifier.group):
            if trainer.classifier.rank == 0:
                trainer.model.save_pretrained(partial)
                (partial / _SCORE).write_text(text, encoding="utf-8")
                put_in_place(partial, self._best)
