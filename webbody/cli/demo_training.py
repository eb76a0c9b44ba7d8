"""The last part of `webbody demo`: training on the build, evaluated on other people."""

import shutil
from pathlib import Path

from rich.console import Console

from webbody.cli.run_training import line
from webbody.cli.train_log import train_log
from webbody.config import BuildConfig, load_as, read_preset
from webbody.errors import WebbodyError
from webbody.train_config import TrainConfig

#: Their numbers lie far below those of the web's people.
HELD_OUT, PICTURES = range(100), {"close": 2, "upper": 2, "full": 2}
#: Times that the build's images are shown: about three minutes on two cores.
EPOCHS = 60


def train_on_build(build: Path, out: Path, console: Console) -> None:
    """Train the `demo` preset on a build; prints rank-1 on other people before and after.

    Then writes OUT/evaluation, where rankings of the same strangers can be looked at.
    """
    from model.training.monitoring.metric_log import SCORES, read
    from model.training.start import start
    from webbody.demo.pose_scale import write_pose_scale

    held_out, run = out / "held-out", out / "training"
    write_pose_scale(held_out, HELD_OUT, PICTURES)
    settings = load_as(TrainConfig, None, [], read_preset("train", "demo"), "")
    settings.data.sources, settings.out = (str(build),), str(run)
    settings.validation.gallery, settings.validation.steps = (str(held_out),), 0
    settings.optimization.epochs = EPOCHS
    settings.optimization.warmup_epochs = EPOCHS / 10
    settings.resources.log_seconds = 20

    def say(text: str) -> None:
        console.print(text, soft_wrap=True)

    def train() -> None:
        with train_log(run, say) as log:
            start(settings.model_dump(), log, lambda progress: log(line(progress)))

    try:
        train()
    except WebbodyError:
        # The checkpoints there are of another build and cannot be resumed.
        shutil.rmtree(run, ignore_errors=True)  # without checkpoints, the error is raised again
        train()
    scores = read(run / SCORES)
    before, after = scores[0]["rank1"], scores[-1]["rank1"]
    say(
        f"Rank-1 before training {before:.1%}, after {after:.1%}: how often the most similar of "
        f"{len(HELD_OUT) * sum(PICTURES.values()) - 1} pictures, from close-ups to full bodies in "
        "other clothes, shows the same person. None of these people was trained on."
    )
    _evaluate(held_out, run / "model", out / "evaluation", console)


def _evaluate(held_out: Path, model: Path, out: Path, console: Console) -> None:
    """Full bodies searched among close-ups, reported as `webbody evaluate` does."""
    from pipelines.evaluate.models.embedder import open_embedder
    from pipelines.evaluate.report.output import write
    from pipelines.evaluate.requests import DatasetRequest
    from pipelines.evaluate.run import evaluate
    from webbody.cli.evaluate import table

    requests = [DatasetRequest("pose_scale", str(held_out))]
    found = evaluate(requests, lambda: open_embedder(model), BuildConfig(), str(out / "features"))
    write(str(out), found)
    console.print(table(found))
