"""`webbody train`: a model from shards, in one process or in those of torchrun or of Ray."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webbody.cli.build import describe
from webbody.cli.printing import echo
from webbody.cli.run_training import line, started
from webbody.cli.train_estimate import lines
from webbody.cli.train_log import train_log
from webbody.cli.verbose import Verbose
from webbody.config import load_as, read_preset
from webbody.errors import EXIT_INCOMPLETE, WebbodyError
from webbody.face_config import FACE_PRESETS, FaceTrainConfig
from webbody.train_config import TrainConfig

if TYPE_CHECKING:
    from model.training.estimate.dry_run import Assemble
    from model.training.parts import PutTogether


def train(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Folders of builds, of shards (.tar), or patterns: a data set each."),
    ] = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for checkpoints and model.")] = "",
    preset: Annotated[
        str,
        typer.Option(
            help="Settings to start from: `webbody4m` (the paper's) or `demo`; `face` or "
            "`face-demo` train a face embedder instead."
        ),
    ] = "webbody4m",
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="YAML file with settings, over the preset's."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="One, e.g. optimization.epochs=10."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Train in so many processes, which Ray starts.")
    ] = 0,
    ray_address: Annotated[
        str | None,
        typer.Option(help="Ray cluster for --workers; without it a local Ray is started."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only tell parameters, memory, steps and time; nothing is written but OUT/cache.",
        ),
    ] = False,
    settings: Annotated[
        bool, typer.Option("--settings", help="Only print every setting, with its meaning.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Train SapiensID, or with `--preset face` a face embedder, on the shards of builds.

    Checkpoints are in OUT/checkpoints: run the same command again to resume exactly. The trained
    model is OUT/model, the figures of the run are in OUT/log.jsonl, OUT/tensorboard and
    OUT/curves.png, its log in OUT/train.log. With `--set validation.gallery=[SOURCE]` the model is
    validated from time to time on people who are not trained on, and OUT/best is the best model.
    A build takes a face embedder by `--set faces.embedder=OUT/model`.
    Several processes: `torchrun --nproc-per-node N -m webbody train ...`, or --workers N. Exit code
    0: trained. 1: stopped by SIGTERM, with a checkpoint. 2: an error to fix first.
    """
    chosen = _configuration(preset, config, set_ or [], sources or [], out)
    chosen.ray.workers = workers or chosen.ray.workers
    chosen.ray.address = ray_address or chosen.ray.address
    if settings:
        echo(describe(chosen), nl=False)
        return
    if not chosen.data.sources or not (chosen.out or dry_run):
        raise WebbodyError("Say what to train on, and --out: a folder for the run.")
    if dry_run and chosen.ray.workers:
        raise WebbodyError("--dry-run tells of this process: leave --workers out, or use torchrun.")
    # As torchrun tells it: also before the processes have met, and after they have parted.
    is_first = os.environ.get("RANK", "0") == "0"
    if dry_run:
        _estimate(chosen, echo if is_first else lambda text: None)
        return
    parts_of = (_of_faces() if isinstance(chosen, FaceTrainConfig) else _of_people())[0]
    with train_log(chosen.out, echo, is_first) as say:
        ended = started(chosen, say, lambda progress: say(line(progress)), parts_of)
        if ended:
            say(f"Model  {Path(chosen.out) / 'model'}")
        else:
            say("webbody: stopped with a checkpoint; run the same command again to go on.")
    if not ended:
        raise typer.Exit(EXIT_INCOMPLETE)


def _of_people() -> tuple["PutTogether", "Assemble"]:
    """How a run of SapiensID is put together, and its parts for an estimate."""
    from model.training.builders import assemble
    from model.training.sapiensid_run import put_together

    return put_together, assemble


def _of_faces() -> tuple["PutTogether", "Assemble"]:
    """The same of a face embedder."""
    from model.training.faces.face_run import assemble, put_together

    return put_together, assemble


def _estimate(chosen: TrainConfig | FaceTrainConfig, say: Callable[[str], None]) -> None:
    from model.training.estimate.dry_run import dry_run

    assemble = (_of_faces() if isinstance(chosen, FaceTrainConfig) else _of_people())[1]
    say("\n".join(lines(dry_run(chosen.model_dump(), say, assemble))))


def _configuration(
    preset: str, config: Path | None, overrides: list[str], sources: list[str], out: str
) -> TrainConfig | FaceTrainConfig:
    values = read_preset("train", preset)
    ask = "webbody train --settings"
    chosen: TrainConfig | FaceTrainConfig
    if preset in FACE_PRESETS:
        ask = f"{ask} --preset {preset}"
        chosen = load_as(FaceTrainConfig, config, overrides, values, ask)
    else:
        chosen = load_as(TrainConfig, config, overrides, values, ask)
    if sources:
        chosen.data.sources = tuple(sources)
    if out:
        chosen.out = out
    return chosen
