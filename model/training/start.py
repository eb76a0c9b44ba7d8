"""A run from its settings: processes, parts, metrics, and the model at the end."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from model.folder_writing import put_in_place, written
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
    """Trains as `settings` (the mapping of webbody.train_config.TrainConfig) tell.

    Joins the processes of torchrun, where it was started by it. `say` gets a few sentences about
    the run, `report` its progress. Returns False if it was asked to stop, by SIGTERM or as
    `elsewhere` tells. Checkpoints, the metrics and, at the end, the model are left in `out`.

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

    def told(progress: TrainingProgress) -> None:
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
            told,
            _validator(settings, parts, metrics, say),
            elsewhere,
        )
    finally:
        metrics.close()
    if ended:
        final, unfinished = folder / "model", folder / "model.partial"
        with written(final, unfinished, parts.trainer.classifier.group):
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
    """A sentence about what a run does with what."""
    table = parts.table
    return (
        f"{len(table):,} images of {table.classes:,} people in {len(table.shards)} shards; "
        f"{len(parts.steps):,} steps, {parts.order.epoch_length:,} images an epoch."
    )


def _validator(
    settings: Mapping[str, Any], parts: TrainState, metrics: MetricLogger, say: Say
) -> Validator | None:
    if parts.held is None:
        return None
    validation = settings["validation"]

    def tell(score: Score, is_best: bool) -> None:
        metrics.score(score)
        best = ", the best so far" if is_best else ""
        say(
            f"Validation at step {score.done:,}: rank-1 {score.rank1:.1%}, mAP {score.mAP:.1%} "
            f"of {score.queries:,} queries in {score.seconds:.0f} s{best}."
        )

    return Validator(
        parts.held,
        Path(settings["out"]) / "best",
        every=validation["steps"],
        batch=validation["batch"],
        tell=tell,
    )


def _identity(settings: Mapping[str, Any], parts: TrainState) -> dict[str, Any]:
    """What must be equal for a run to go on: all that changes its result."""
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
