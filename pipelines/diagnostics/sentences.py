"""The ending of a build in sentences: losses, reasons, and settings to look at."""

from typing import Any

from pipelines.diagnostics.ending import DropReason, Ending, Loss
from pipelines.diagnostics.scores import ScoreSummary

#: Outcomes of a stage that are named one by one.
_MOST = 4


def sentences(ending: Ending) -> list[str]:
    """A headline and a few lines for each reported loss; nothing if enough was kept.

    Lines below a stage's first one are indented.
    """
    lines = []
    if ending.losses or ending.empty:
        lines.append(_headline(ending))
    for loss, reason in ending.losses:
        lines.append(_lost(loss))
        lines += [f"  {line}" for line in (_measured(reason.scores), _advice(reason)) if line]
    if ending.nothing_to_train_on:
        lines.append(
            f"All {ending.samples:,} samples are of test people, so there is nothing to train on: "
            "lower split.test_people, or add people."
        )
    return lines


def _headline(ending: Ending) -> str:
    if ending.empty:
        return f"Nothing was kept: none of {ending.rows:,} rows became a sample."
    share = ending.kept / max(ending.rows, 1)
    return f"Little was kept: {ending.kept:,} of {ending.rows:,} rows ({share:.1%})."


def _lost(loss: Loss) -> str:
    named = list(loss.outcomes.items())
    some = [f"{count:,} {outcome}" for outcome, count in named[:_MOST]]
    if rest := sum(count for _, count in named[_MOST:]):
        some.append(f"{rest:,} for other reasons")
    what = "all" if loss.dropped == loss.came else f"{loss.dropped:,}"
    return f"{loss.stage} dropped {what} of the {loss.came:,} rows that came to it: " + (
        ", ".join(some) + "."
    )


def _measured(scores: ScoreSummary | None) -> str:
    if scores is None:
        return ""
    quartiles = ", ".join(_number(value) for value in scores.quartiles)
    end = f"{'largest' if scores.larger_pass else 'smallest'} {_number(scores.extreme)}"
    seen, shards = scores.shards
    where = "" if seen == shards else f", in {seen} of {shards} shards"
    return f"{scores.what}: quartiles {quartiles}, {end} ({scores.count:,} measured{where})."


def _advice(reason: DropReason) -> str:
    if not reason.setting:
        return f"{reason.advice or '`webbody explain` tells the story of a single URL'}."
    text = f"look at {reason.setting}: now {_value(reason.value)}"
    if reason.scores is not None and reason.scores.passing:
        (_, share), *others = reason.scores.passing
        text += f", which {_share(share)} of these pass"
        if others:
            values = [f"{_number(value)} would pass {_share(share)}" for value, share in others]
            text += "; " + ", ".join(values)
    return text + (f"; {reason.advice}." if reason.advice else ".")


def _share(share: float) -> str:
    return f"{share:.1%}"


def _value(value: Any) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"
