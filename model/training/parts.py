"""What a run is made of, whatever it trains."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from model.training.monitoring.metric_log import MetricLogger
from model.training.monitoring.validation_schedule import ScheduledValidator
from model.training.steps.base import BaseTrainer
from model.training.steps.plan import TrainingStep

Say = Callable[[str], None]


@dataclass(frozen=True)
class RunParts:
    """A run put together on this rank.

    samples: this rank's samples of given steps. identity: everything that changes the result; it
    must be equal when a run resumes. description: one sentence for the user. validator: makes the
    validator, from where its scores go; None where there is none. show: called on the first rank
    after each step, with the steps done: draws what the model does, at steps of its own choice.
    """

    trainer: BaseTrainer
    steps: Sequence[TrainingStep]
    samples: Callable[[Sequence[TrainingStep]], Iterable[Any]]
    identity: Mapping[str, Any]
    description: str
    validator: Callable[[MetricLogger], ScheduledValidator[Any]] | None = None
    show: Callable[[int], None] | None = None


class PutTogether(Protocol):
    """Makes the parts of a run from its settings; a function of a module, as Ray sends its name.

    Every rank calls it. Raises WebbodyError.
    """

    def __call__(self, settings: Mapping[str, Any], device: str, say: Say) -> RunParts: ...
