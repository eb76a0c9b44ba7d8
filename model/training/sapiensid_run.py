"""A run that trains SapiensID: its parts as every run has them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from model.sapiensid.sapiensid import SapiensID
from model.training.builders import TrainState, assemble
from model.training.monitoring.metric_log import MetricLogger
from model.training.monitoring.validator import Score, Validator
from model.training.parts import RunParts, Say

_BACKGROUND = ("background", "background_fill")


def put_together(settings: Mapping[str, Any], device: str, say: Say) -> RunParts:
    """The parts of a run from `settings` (the mapping of webbody.train_config.TrainConfig)."""
    parts = assemble(settings, device, say)
    return run_parts(settings, parts, identity(settings, parts), say)


def run_parts(
    settings: Mapping[str, Any], parts: TrainState, known_by: Mapping[str, Any], say: Say
) -> RunParts:
    """The parts of a run; `known_by` must be equal when it resumes."""
    return RunParts(
        parts.trainer,
        parts.steps,
        parts.loader,
        known_by,
        describe(parts),
        None if parts.held_out is None else partial(_validator, settings, parts, say),
    )


def describe(parts: TrainState) -> str:
    """One sentence: images, people, shards and steps of a run."""
    table = parts.table
    return (
        f"{len(table):,} images of {table.classes:,} people in {len(table.shards)} shards; "
        f"{len(parts.steps):,} steps, {parts.order.epoch_length:,} images an epoch."
    )


def _validator(
    settings: Mapping[str, Any], parts: TrainState, say: Say, metrics: MetricLogger
) -> Validator:
    validation = settings["validation"]

    def on_score(score: Score, is_best: bool) -> None:
        metrics.score(score)
        best = ", the best so far" if is_best else ""
        say(
            f"Validation at step {score.done:,}: rank-1 {score.rank1:.1%}, mAP {score.mAP:.1%} "
            f"of {score.queries:,} queries in {score.seconds:.0f} s{best}."
        )

    assert parts.held_out is not None
    return Validator(
        parts.held_out,
        Path(settings["out"]) / "best",
        every=validation["steps"],
        batch=validation["batch"],
        on_score=on_score,
        on_examples=metrics.examples,
    )


def identity(settings: Mapping[str, Any], parts: TrainState) -> dict[str, Any]:
    """Everything that changes a run's result: it must be equal when a run resumes."""
    assert isinstance(parts.trainer.model, SapiensID)
    model = {k: v for k, v in parts.trainer.model.config.items() if k != "regions"}
    sections = {k: settings[k] for k in ("augmentation", "tokens", "optimization", "seed")}
    if not settings["augmentation"]["background"]:
        # Runs from before there were these settings go on.
        without = {k: v for k, v in sections["augmentation"].items() if k not in _BACKGROUND}
        sections["augmentation"] = without
    data = {k: settings["data"][k] for k in ("weights", "oversampling")}
    identity = {
        **{f"model.{k}": v for k, v in model.items()},
        **{f"data.{k}": list(v) if isinstance(v, tuple) else v for k, v in data.items()},
        "data": parts.table.digest,
        "precision": parts.trainer.mixed_precision,
        "seed": sections.pop("seed"),
    }
    return {**identity, **flat(sections)}


def flat(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Settings by `section.name`; tuples as lists, as JSON has them."""
    return {
        f"{name}.{key}": list(value) if isinstance(value, tuple) else value
        for name, section in sections.items()
        for key, value in section.items()
    }
