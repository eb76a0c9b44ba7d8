"""Validation of SapiensID: rank-1 and mAP among people who are not trained on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from model.training.monitoring.example_rankings import ExampleRanking
from model.training.monitoring.validation import HeldOut, rank_held_out
from model.training.monitoring.validation_schedule import ScheduledValidator
from model.training.steps.classifier_trainer import ClassifierTrainer


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

    def shown(self) -> Mapping[str, float]:
        """All but where it was taken."""
        return {name: getattr(self, name) for name in ("rank1", "mAP", "queries", "left_out")}


class Validator(ScheduledValidator[Score]):
    """Ranks the held-out people at the steps that its schedule names.

    The first rank calls `on_examples` with the steps done and some of the rankings.
    """

    def __init__(
        self,
        held_out: HeldOut,
        best: Path,
        *,
        every: int,
        batch: int,
        on_score: Callable[[Score, bool], None],
        on_examples: Callable[[int, list[ExampleRanking]], None] = lambda done, examples: None,
    ) -> None:
        super().__init__(Score, best, every=every, on_score=on_score)
        self._held_out, self._batch = held_out, batch
        self._on_examples = on_examples

    def measure(self, trainer: ClassifierTrainer, done: int, seen: int) -> Score:
        """Of the whole held-out set, shared among the ranks."""
        begin = time.monotonic()
        found = rank_held_out(
            trainer.feature_model,
            self._held_out,
            batch=self._batch,
            device=trainer.device,
            group=trainer.group,
            on_examples=partial(self._on_examples, done),
        )
        return Score(done, seen, **asdict(found), seconds=time.monotonic() - begin)
