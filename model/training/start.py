"""Starting a run from its settings: processes, parts, metrics, the final model."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from model.folder_writing import all_or_nothing, put_in_place
from model.losses.collectives import rank_and_ranks
from model.training import checkpoint
from model.training.builders import Say, TrainState, assemble
from model.training.monitoring.dashboards import open_dashboards
from model.training.monitoring.metric_log import MetricLogger
from model.training.monitoring.progress import TrainingProgress
from model.training.monitoring.validator import Score, Validator
from model.training.processes import on_device
from model.training.run import CheckpointPolicy, train
from webbody.errors import WebbodyError


def start(
    settings: Mapping[str, Any],
    say: Say,
    report: Callable[[TrainingProgress], None],
    elsewhere: Callable[[], bool] | None = None,
) -> bool:
    """Train with `settings` (the mapping of webbody.train_config.TrainConfig).

    Under torchrun it joins the process group. `say` gets messages for the user, `report` the
    progress. Returns False if it stopped early, on SIGTERM or when `elsewhere` returns True.
    Checkpoints, the metrics and, at the end, the model are written to `out`.

    Raises WebbodyError.
    """
    with on_device(settings) as device:
        return _run(settings, device, say, report, elsewhere)


def _run(
    settings: Mapping[str, Any],
    device: str,
    say: Say,
    report: Callable[[TrainingProgress], None],
    elsewhere: Callable[[], bool] | None,
) -> bool:
    folder, resources = Path(settings["out"]), settings["resources"]
    _check_writable(folder)
    is_first = rank_and_ranks(None)[0] == 0
    parts = assemble(settings, device, say)
    say(describe(parts))
    found = checkpoint.checkpoints(folder / "checkpoints")
    begin = checkpoint.steps_done(found[-1]) if found else 0
    dashboards = partial(open_dashboards, folder, begin, resources["wandb"], settings, say)
    metrics = MetricLogger(folder, begin, dashboards)

    def report_progress(progress: TrainingProgress) -> None:
        if is_first:
            metrics.progress(progress)
        report(progress)

    try:
        ended = train(
            parts.trainer,
            parts.steps,
            parts.loader,
            folder / "checkpoints",
            _identity(settings, parts),
            CheckpointPolicy(
                resources["checkpoint_steps"],
                resources["keep_checkpoints"],
                resources["log_seconds"],
            ),
            report_progress,
            _validator(settings, parts, metrics, say),
            elsewhere,
        )
    finally:
        metrics.close()
    if ended:
        final, unfinished = folder / "model", folder / "model.partial"
        with all_or_nothing(final, unfinished, parts.trainer.classifier.group):
            if is_first:
                parts.trainer.model.save_pretrained(unfinished)
                put_in_place(unfinished, final)
    return ended


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WebbodyError(f"{folder}: no folder for the run ({error.strerror})") from error


def describe(parts: TrainState) -> str:
    """One sentence: images, people, shards and steps of a run."""
    table = parts.table
    return (
        f"{len(table):,} images of {table.classes:,} people in {len(table.shards)} shards; "
        f"{len(parts.steps):,} steps, {parts.order.epoch_length:,} images an epoch."
    )


def _validator(
    settings: Mapping[str, Any], parts: TrainState, metrics: MetricLogger, say: Say
) -> Validator | None:
    if parts.held_out is None:
        return None
    validation = settings["validation"]

    def on_score(score: Score, is_best: bool) -> None:
        metrics.score(score)
        best = ", the best so far" if is_best else ""
        say(
            f"Validation at step {score.done:,}: rank-1 {score.rank1:.1%}, mAP {score.mAP:.1%} "
            f"of {score.queries:,} queries in {score.seconds:.0f} s{best}."
        )

    return Validator(
        parts.held_out,
        Path(settings["out"]) / "best",
        every=validation["steps"],
        batch=validation["batch"],
        on_score=on_score,
    )


def _identity(settings: Mapping[str, Any], parts: TrainState) -> dict[str, Any]:
    """Everything that changes a run's result: it must be equal when a run resumes."""
    model = {k: v for k, v in parts.trainer.model.config.items() if k != "regions"}
    sections = {k: settings[k] for k in ("augmentation", "tokens", "optimization", "seed")}
    data = {k: settings["data"][k] for k in ("weights", "oversampling")}
    identity = {
        **{f"model.{k}": v for k, v in model.items()},
        **{f"data.{k}": list(v) if isinstance(v, tuple) else v for k, v in data.items()},
        "data": parts.table.digest,
        "precision": parts.trainer.mixed_precision,
        "seed": sections.pop("seed"),
    }
    for name, section in sections.items():
        for key, value in section.items():
            identity[f"{name}.{key}"] = list(value) if isinstance(value, tuple) else value
    return identity
