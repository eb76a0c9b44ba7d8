"""`webbody sapiens pretrain` and `finetune`: in one process, or in those of torchrun or of Ray."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webbody.cli.build import describe
from webbody.cli.printing import echo
from webbody.cli.run_training import RunSettings, line, started
from webbody.cli.train_log import train_log
from webbody.cli.verbose import Verbose
from webbody.config import load_as, read_preset
from webbody.errors import EXIT_INCOMPLETE, WebbodyError
from webbody.sapiens_config import FinetuneConfig, PretrainConfig

if TYPE_CHECKING:
    from model.training.parts import PutTogether

TASKS = ("pose", "segmentation", "depth", "normal")
Out = Annotated[str, typer.Option("--out", "-o", help="Folder for checkpoints and model.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file with settings, over the preset's."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="One, e.g. optimization.epochs=10."),
]
Workers = Annotated[int, typer.Option(min=0, help="Train in so many processes, which Ray starts.")]
Address = Annotated[
    str | None, typer.Option(help="Ray cluster for --workers; without it a local Ray is started.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Only tell parameters, steps, and what a step takes."),
]
Shown = Annotated[
    bool, typer.Option("--settings", help="Only print every setting, with its meaning.")
]


def pretrain(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Folders of builds, of shards (.tar), or patterns; no labels needed."),
    ] = None,
    out: Out = "",
    preset: Annotated[
        str, typer.Option(help="Settings to start from: `paper` (0.3B) or `demo`.")
    ] = "paper",
    config: Config = None,
    set_: Settings = None,
    workers: Workers = 0,
    ray_address: Address = None,
    dry_run: DryRun = False,
    settings: Shown = False,
    verbose: Verbose = False,
) -> None:
    """Pretrain a Sapiens encoder on pictures by predicting hidden patches.

    Checkpoints are in OUT/checkpoints: run the same command again to resume exactly. The model is
    OUT/model, figures are in OUT/log.jsonl and OUT/curves.png, pictures of what it predicts in
    OUT/reconstructions. Several processes: torchrun, or --workers N. Exit code 0: trained. 1:
    stopped by SIGTERM, with a checkpoint. 2: an error to fix first.
    """
    chosen = load_as(
        PretrainConfig, config, set_ or [], read_preset("pretrain", preset), _told("pretrain")
    )
    chosen.data.sources = tuple(sources or chosen.data.sources)
    chosen.out = out or chosen.out
    chosen.ray.workers = workers or chosen.ray.workers
    chosen.ray.address = ray_address or chosen.ray.address
    if settings:
        echo(describe(chosen), nl=False)
        return
    _check(chosen.data.sources, chosen.out, dry_run, chosen.ray.workers)
    from model.sapiens.training.pretraining import put_together

    _run(chosen, put_together, dry_run)


def finetune(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Keypoint files in COCO's format, or folders with images/ and masks/, depth/ or "
            "normals/."
        ),
    ] = None,
    out: Out = "",
    task: Annotated[str, typer.Option(help="pose, segmentation, depth or normal.")] = "pose",
    start: Annotated[
        str,
        typer.Option(
            "--from", help="Pretrained: a run's folder `model`, or a published file; else scratch."
        ),
    ] = "",
    images: Annotated[
        list[str] | None,
        typer.Option(help="pose: the folder of a file's pictures; without it `images` beside it."),
    ] = None,
    validation: Annotated[
        list[str] | None,
        typer.Option(help="Like SOURCES, not trained on; OUT/best is the best model on them."),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Settings to start from: `paper` (0.3B) or `demo`.")
    ] = "paper",
    config: Config = None,
    set_: Settings = None,
    workers: Workers = 0,
    ray_address: Address = None,
    dry_run: DryRun = False,
    settings: Shown = False,
    verbose: Verbose = False,
) -> None:
    """Fine-tune a Sapiens model for a task, from a pretrained encoder or from scratch.

    Checkpoints are in OUT/checkpoints: run the same command again to resume exactly. The model is
    OUT/model, and with --validation the best one OUT/best. Exit code 0: trained. 1: stopped by
    SIGTERM, with a checkpoint. 2: an error to fix first.
    """
    if task not in TASKS:
        raise WebbodyError(f"--task {task}: is none of {', '.join(TASKS)}.")
    chosen = load_as(
        FinetuneConfig, config, set_ or [], read_preset(task, preset), _told("finetune")
    )
    chosen.data.sources = tuple(sources or chosen.data.sources)
    chosen.data.images = tuple(images or chosen.data.images)
    chosen.validation.sources = tuple(validation or chosen.validation.sources)
    chosen.model.start = start or chosen.model.start
    chosen.out = out or chosen.out
    chosen.ray.workers = workers or chosen.ray.workers
    chosen.ray.address = ray_address or chosen.ray.address
    if settings:
        echo(describe(chosen), nl=False)
        return
    _check(chosen.data.sources, chosen.out, dry_run, chosen.ray.workers)
    from model.sapiens.training.finetuning import put_together

    _run(chosen, put_together, dry_run)


def demo_data(
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    images: Annotated[int, typer.Option(min=1, help="Pictures of each set.")] = 1500,
    seed: Annotated[int, typer.Option(help="Sets of other seeds show other people.")] = 0,
) -> None:
    """Draw people with exact labels: keypoints, body parts, depth and normals, to try things on.

    OUT/pose, OUT/parts and OUT/surfaces are what `finetune` and `evaluate` read, OUT/pictures are
    shards of all pictures without labels, for `pretrain`.
    """
    from webbody.demo.vision_sets import write_vision_sets
    from webbody.demo.vision_sets.pictures import write_pictures

    write_vision_sets(out, images, seed)
    count = write_pictures(out, out / "pictures")
    echo(f"{count:,} pictures of drawn people in {out}: pose, parts, surfaces, pictures")


def _told(command: str) -> str:
    return f"webbody sapiens {command} --settings"


def _check(sources: tuple[str, ...], out: str, dry_run: bool, workers: int) -> None:
    if not sources or not (out or dry_run):
        raise WebbodyError("Say what to train on, and --out: a folder for the run.")
    if dry_run and workers:
        raise WebbodyError("--dry-run tells of this process: leave --workers out, or use torchrun.")


def _run(chosen: RunSettings, parts_of: "PutTogether", dry_run: bool) -> None:
    settings = chosen.model_dump()
    is_first = os.environ.get("RANK", "0") == "0"
    if dry_run:
        _estimate(settings, parts_of, echo if is_first else lambda text: None)
        return
    with train_log(settings["out"], echo, is_first) as say:
        ended = started(chosen, say, lambda progress: say(line(progress)), parts_of)
        if ended:
            say(f"Model  {Path(settings['out']) / 'model'}")
        else:
            say("webbody: stopped with a checkpoint; run the same command again to go on.")
    if not ended:
        raise typer.Exit(EXIT_INCOMPLETE)


def _estimate(
    settings: dict[str, object], parts_of: "PutTogether", say: Callable[[str], None]
) -> None:
    from model.training.estimate.steps import try_steps

    say("\n".join(try_steps(settings, parts_of, say)))
