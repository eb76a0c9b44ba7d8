"""`webbody train`: SapiensID from shards, in one process or in those that torchrun starts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webbody.cli.build import describe
from webbody.config import load_as, read_yaml
from webbody.errors import EXIT_INCOMPLETE, WebbodyError
from webbody.train_config import TrainConfig

if TYPE_CHECKING:
    from model.training.progress import Progress

PRESETS = Path(__file__).parents[1] / "presets"


def train(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Folders of builds, of shards (.tar), or patterns: a data set each."),
    ] = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for checkpoints and model.")] = "",
    preset: Annotated[
        str, typer.Option(help="Settings to start from: `webbody4m` (the paper's) or `demo`.")
    ] = "webbody4m",
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="YAML file with settings, over the preset's."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="One, e.g. optimization.epochs=10."),
    ] = None,
    settings: Annotated[
        bool, typer.Option("--settings", help="Only print every setting, with its meaning.")
    ] = False,
) -> None:
    """Train SapiensID on the shards of builds.

    Checkpoints lie in OUT/checkpoints: run the same command again to go on, exactly as if nothing
    had happened. The trained model is OUT/model, the figures of the run are in OUT/log.jsonl.
    Several processes: `torchrun --nproc-per-node N -m webbody train ...`.
    Exit code 0: trained. 1: stopped by SIGTERM, with a checkpoint. 2: something to mend first.
    """
    chosen = _configuration(preset, config, set_ or [], sources or [], out)
    if settings:
        typer.echo(describe(chosen), nl=False)
        return
    if not chosen.data.sources or not chosen.out:
        raise WebbodyError("Say what to train on, and --out: a folder for the run.")
    from model.losses.collectives import rank_and_ranks
    from model.training.start import TrainingError, start

    def say(text: str) -> None:
        if rank_and_ranks(None)[0] == 0:
            typer.echo(text)

    def report(progress: "Progress") -> None:
        say(line(progress))

    try:
        ended = start(chosen.model_dump(), say, report)
    except TrainingError as error:
        raise WebbodyError(str(error)) from error
    if not ended:
        say("webbody: stopped with a checkpoint; run the same command again to go on.")
        raise typer.Exit(EXIT_INCOMPLETE)
    say(f"Model  {Path(chosen.out) / 'model'}")


def line(progress: "Progress") -> str:
    """One line of progress; what is unknown is left out."""
    found = [
        f"{progress.done}/{progress.steps}",
        f"loss {progress.loss:.2f}",
        f"{progress.images:,.0f} images/s",
        f"{progress.tokens:,.0f} tokens/s",
    ]
    if progress.mfu is not None:
        found.append(f"MFU {progress.mfu:.0%}")
    found += [f"waiting {progress.waiting:.0%}", f"norm {progress.norm:.1f}"]
    if progress.parts is not None:
        parts = progress.parts
        found.append(f"parts {parts.mean:.2f} ± {parts.spread:.2f}, most {parts.top}")
    return "  ".join([*found, f"{_duration(progress.left)} left"])


def _configuration(
    preset: str, config: Path | None, overrides: list[str], sources: list[str], out: str
) -> TrainConfig:
    file = PRESETS / f"train-{preset}.yaml"
    if not file.is_file():
        names = ", ".join(sorted(path.stem[6:] for path in PRESETS.glob("train-*.yaml")))
        raise WebbodyError(f"--preset {preset}: there is no such preset; there are {names}.")
    values: dict[str, Any] = read_yaml(file)
    chosen = load_as(TrainConfig, config, overrides, values, "webbody train --settings")
    if sources:
        chosen.data.sources = tuple(sources)
    if out:
        chosen.out = out
    return chosen


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
