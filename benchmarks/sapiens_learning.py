"""What Sapiens' training teaches on drawn people, in a budget of minutes.

    python -m benchmarks.sapiens_learning OUT [--seeds 0 1 2] [--images 1500] [--json FILE]

Writes labelled sets and shards of their pictures (webbody.demo.vision_sets), pretrains an encoder
on the pictures, fine-tunes each task from it, and some from scratch with the same settings, and
evaluates them on other pictures, beside an untrained model and a predictor of the mean. What is in
OUT already is not made anew, so that a run that was stopped goes on.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.figures import Figures, add_option
from model.sapiens.data.opening import LabelledData
from model.sapiens.evaluation import evaluate, figures_of, mean_predictor, untrained
from model.sapiens.saved import load
from model.sapiens.training import finetuning, pretraining
from model.training.start import start
from webbody.config import load_as, read_preset
from webbody.demo.vision_sets import write_vision_sets
from webbody.demo.vision_sets.pictures import write_pictures
from webbody.sapiens_config import FinetuneConfig, PretrainConfig

SOURCES = {
    "pose": "pose/people.json",
    "segmentation": "parts",
    "depth": "surfaces",
    "normal": "surfaces",
}
_TEST_SEED, _TRAIN_SEED = 2, 1
_OUTPUTS = {"pose": 17, "segmentation": 28, "depth": 1, "normal": 3}


def prepared(out: Path, images: int) -> None:
    """The sets, where they are not there yet."""
    for name, count, seed in (("train", images, _TRAIN_SEED), ("test", images // 5, _TEST_SEED)):
        if not (out / name).is_dir():
            write_vision_sets(out / name, count, seed)
    if not (out / "pictures").is_dir():
        write_pictures(out / "train", out / "pictures")


def trained(config: Any, parts_of: Any) -> float:
    """Seconds of a run, where its model is not there yet; else 0."""
    if (Path(config.out) / "model").is_dir():
        return 0.0
    began = time.monotonic()
    start(config.model_dump(), print, lambda progress: None, parts_of=parts_of)
    return time.monotonic() - began


def pretrained(out: Path, seed: int, arguments: argparse.Namespace) -> Path:
    """The folder of a seed's pretrained model."""
    config: PretrainConfig = load_as(
        PretrainConfig, None, arguments.pretrain, read_preset("pretrain", "demo"), ""
    )
    config.out, config.seed = str(out / f"pretrained-{seed}"), seed
    config.data.sources = (str(out / "pictures"),)
    seconds = trained(config, pretraining.put_together)
    print(f"seed {seed}: pretrained in {seconds:.0f} s", flush=True)
    return Path(config.out) / "model"


def fine_tuned(
    out: Path, task: str, seed: int, begin: Path | None, arguments: argparse.Namespace
) -> Path:
    """The folder of a model of a task, from a pretrained encoder or from scratch."""
    config: FinetuneConfig = load_as(
        FinetuneConfig, None, arguments.finetune, read_preset(task, "demo"), ""
    )
    kind = "scratch" if begin is None else "pretrained"
    config.out, config.seed = str(out / f"{task}-{kind}-{seed}"), seed
    config.data.sources = (str(out / "train" / SOURCES[task]),)
    config.model.start = "" if begin is None else str(begin)
    seconds = trained(config, finetuning.put_together)
    print(f"seed {seed}: {task} from {kind} in {seconds:.0f} s", flush=True)
    return Path(config.out) / "model"


def held_out(out: Path, task: str) -> LabelledData:
    """The labelled pictures of a task that are not trained on."""
    from model.sapiens.data.opening import labelled_data

    return labelled_data(task, _OUTPUTS[task], out / "test" / SOURCES[task])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=1500, help="of each set to train on")
    parser.add_argument("--tasks", nargs="+", default=list(SOURCES), choices=SOURCES)
    parser.add_argument(
        "--scratch", nargs="*", default=["pose"], choices=SOURCES, help="also trained from scratch"
    )
    parser.add_argument("--pretrain", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--finetune", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--threads", type=int, default=2)
    add_option(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    found = Figures("sapiens_learning", arguments)
    out = arguments.out
    prepared(out, arguments.images)
    values: dict[tuple[str, str], list[float]] = {}
    for seed in arguments.seeds:
        encoder = pretrained(out, seed, arguments)
        for task in arguments.tasks:
            data = held_out(out, task)
            begins = {"pretrained": encoder} | (
                {"scratch": None} if task in arguments.scratch else {}
            )
            models = {
                kind: load(fine_tuned(out, task, seed, begin, arguments))
                for kind, begin in begins.items()
            }
            figures = {kind: evaluate(model, data, flip=True) for kind, model in models.items()}
            figures["untrained"] = evaluate(untrained(models["pretrained"], seed), data)
            figures["mean"] = figures_of(mean_predictor(data), data)
            for kind, one in figures.items():
                values.setdefault((task, kind), []).append(one.main.value)
                found.row(seed=seed, task=task, kind=kind, **{f.name: f.value for f in one.figures})
            shown = ", ".join(f"{kind} {one.main.value:.4g}" for kind, one in figures.items())
            print(f"seed {seed}: {task:<12} {figures['mean'].main.name}: {shown}", flush=True)
    for (task, kind), several in values.items():
        mean, spread = np.mean(several), np.std(several, ddof=1) if len(several) > 1 else np.nan
        print(f"{task:<12} {kind:<11} {mean:8.4g} ± {spread:.2g}  ({len(several)} seeds)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
