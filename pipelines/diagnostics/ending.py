"""The end of a build: what was kept, which stage lost nearly everything, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.diagnostics.scores import ScoreSummary, scores_of
from pipelines.engine.build_files import BuildFiles
from pipelines.engine.graph import SPLIT
from pipelines.engine.state import outcome_counts
from pipelines.outcomes import STAGES_OF, advice_of, setting_of, stage_of, value_of
from pipelines.stages.ledger import KEPT

#: Report stages that drop more than this share of their input, and builds that keep less than the
#: second.
NEARLY_ALL, NEARLY_NOTHING = 0.9, 0.01
#: Shares of fewer rows are not reported.
ENOUGH = 50


@dataclass(frozen=True)
class Loss:
    """The rows that a stage dropped of those it received, by outcome."""

    stage: str
    came: int
    outcomes: dict[str, int]  # most frequent first

    @property
    def dropped(self) -> int:
        return sum(self.outcomes.values())

    @property
    def share(self) -> float:
        return self.dropped / max(self.came, 1)


@dataclass(frozen=True)
class DropReason:
    """A stage's most frequent outcome, and what to look at.

    `setting` is the deciding `section.name`, or ""; `value` its present value; `advice` a hint, or
    "". `scores` is None if no scores are stored.
    """

    outcome: str
    setting: str
    value: Any
    advice: str
    scores: ScoreSummary | None


@dataclass(frozen=True)
class Ending:
    """The end of a build. `losses` are those to report, worst first; none if enough was kept."""

    rows: int
    kept: int
    samples: int = 0
    test_samples: int = 0  # and those of validation people
    people: int = 0
    undecided: int = 0  # rows of a build that is not finished
    losses: list[tuple[Loss, DropReason]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether the build is finished and nothing was kept."""
        return self.kept == self.undecided == 0

    @property
    def nothing_to_train_on(self) -> bool:
        """Whether all samples belong to test or validation people."""
        return 0 < self.samples == self.test_samples


def read_ending(out: str, counted: tuple[dict[str, int], int] | None = None) -> Ending:
    """The ending of the build in `out`, from its records; tables are read only after large losses.

    counted: outcomes and rows, if known already.
    """
    with BuildFiles(out) as build:
        return ending_of(build, counted)


def ending_of(build: BuildFiles, counted: tuple[dict[str, int], int] | None = None) -> Ending:
    """The ending of an opened build; of a running one, its present state."""
    outcomes, rows = counted or outcome_counts(build.records, build.planned)
    split = build.records.get(SPLIT.name)
    counts = split.counts if split is not None and build.packs else {}
    return Ending(
        rows=rows,
        kept=outcomes.get(KEPT, 0),
        samples=counts.get("out", 0),
        test_samples=counts.get("test", 0) + counts.get("validation", 0),
        people=counts.get("people", 0),
        undecided=rows - sum(outcomes.values()),
        losses=[(loss, _reason(loss, build)) for loss in reported_losses(outcomes, rows)],
    )


def reported_losses(outcomes: Mapping[str, int], rows: int) -> list[Loss]:
    """The losses that a build with these outcomes reports, worst first.

    These are stages that dropped nearly all of enough rows. If nearly nothing was kept, also those
    that dropped more than half of any number, or else the worst stage.
    """
    found = losses(outcomes)
    kept = outcomes.get(KEPT, 0)
    poor = not kept or (rows >= ENOUGH and kept < NEARLY_NOTHING * rows)
    enough, much = (1, 0.5) if poor else (ENOUGH, NEARLY_ALL)
    out = [loss for loss in found if loss.came >= enough and loss.share > much]
    if poor and not out:
        out = sorted(found, key=lambda loss: -loss.share)[:1]
    return sorted(out, key=lambda loss: -loss.dropped)


def losses(outcomes: Mapping[str, int]) -> list[Loss]:
    """What each stage dropped, in their order; rows without an outcome are not counted."""
    by_stage: dict[str, dict[str, int]] = {stage: {} for stage in STAGES_OF}
    left = 0
    for outcome, count in sorted(outcomes.items(), key=lambda item: -item[1]):
        stage = stage_of(outcome)
        if stage is not None:
            by_stage[stage][outcome] = count
        if stage is not None or outcome == KEPT:
            left += count
    out = []
    for stage, some in by_stage.items():
        if some:
            out.append(Loss(stage, left, some))
            left -= out[-1].dropped
    return out


def _reason(loss: Loss, build: BuildFiles) -> DropReason:
    outcome = next(iter(loss.outcomes))
    setting = setting_of(outcome)
    value = value_of(setting, build.settings)
    advice = advice_of(outcome, build.settings)
    return DropReason(outcome, setting, value, advice, scores_of(outcome, build, value))
