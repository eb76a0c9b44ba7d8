"""Starting a run from its settings: processes, parts, metrics, the final model."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from model.folder_writing import all_or_nothing, put_in_place
from model.losses.collectives import rank_and_ranks
from model.training import checkpoint
from model.training.monitoring.dashboards import open_dashboards
from model.training.monitoring.metric_log import MetricLogger
from model.training.monitoring.progress import TrainingProgress
from model.training.parts import PutTogether, Say
from model.training.processes import on_device
from model.training.run import CheckpointPolicy, train
from model.training.sapiensid_run import put_together
from webbody.errors import WebbodyError


def start(
    settings: Mapping[str, Any],
    say: Say,
    report: Callable[[TrainingProgress], None],
    elsewhere: Callable[[], bool] | None = None,
    parts_of: PutTogether = put_together,
) -> bool:
    """Train with `settings` (the mapping of webbody.train_config.TrainConfig).

    Under torchrun it joins the process group. `say` gets messages for the user, `report` the
    progress. `parts_of` puts the run together: that of SapiensID. Returns False if it stopped
    early, on SIGTERM or when `elsewhere` returns True. Checkpoints, the metrics and, at the end,
    the model are written to `out`.

    Raises WebbodyError.
    """
    with on_device(settings) as device:
        return _run(settings, device, say, report, elsewhere, parts_of)


def _run(
    settings: Mapping[str, Any],
    device: str,
    say: Say,
    report: Callable[[TrainingProgress], None],
    elsewhere: Callable[[], bool] | None,
    parts_of: PutTogether,
) -> bool:
    folder, resources = Path(settings["out"]), settings["resources"]
    _check_writable(folder)
    is_first = rank_and_ranks(None)[0] == 0
    parts = parts_of(settings, device, say)
    say(parts.description)
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
            parts.samples,
            folder / "checkpoints",
            dict(parts.identity),
            CheckpointPolicy(
                resources["checkpoint_steps"],
                resources["keep_checkpoints"],
                resources["log_seconds"],
            ),
            report_progress,
            None if parts.validator is None else parts.validator(metrics),
            elsewhere,
            parts.show,
        )
    finally:
        metrics.close()
    if ended:
        final, unfinished = folder / "model", folder / "model.partial"
        with all_or_nothing(final, unfinished, parts.trainer.group):
            if is_first:
                parts.trainer.save_model(unfinished)
                put_in_place(unfinished, final)
    return ended


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WebbodyError(f"{folder}: no folder for the run ({error.strerror})") from error
