"""The ablations of the paper (Tables 5 and 13) in small: does the order hold?

    python -m benchmarks.ablation --out DIR

Drawn people at all scales, in changing clothes, with exact keypoints; 400 of them are trained on,
100 others are looked for. Every row trains the `demo` preset on equally many images, from several
seeds. `face` finds close-ups by close-ups, `body` full bodies by full bodies in other clothes,
`cross` close-ups by full bodies; rank-1 in percent, the mean of all seeds and their deviation.

Rows that are in DIR already are not run again. Three seeds of a row take about five minutes on two
cores.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks.head_trials import TRIALS
from model.sapiensid.heads import choice

#: The numbers of people begin here; they are others in each group.
TRAINED, HELD_OUT = 500_000, 900_000
STRANGERS = 100
TRAINING_PICTURES = {"close": 4, "upper": 3, "full": 5}
HELD_OUT_PICTURES = {"close": 4, "full": 4}
TASKS = ("face", "body", "cross")

_PLAIN = {"regions": [], "head": "pooled"}
#: The masks: tokens of the 64 patches without Retina Patch, and of the 192 with it. Constant counts
#: and batches are the means of the varying ones, so that all rows take about as many steps.
_FULL_64 = {"tokens.min": 64, "tokens.max": 64, "optimization.batch": 24}
_CONSTANT_64 = {"tokens.min": 25, "tokens.max": 25, "optimization.batch": 24}
_VARYING_64 = {"tokens.min": 16, "tokens.max": 51}
_VARYING = {"tokens.min": 48, "tokens.max": 154}
_CONSTANT = {"tokens.min": 74, "tokens.max": 74, "optimization.batch": 24}
#: What each row changes of the preset: arguments of the model, and settings.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ViT": (_PLAIN, _FULL_64),
    "ViT, constant masking": (_PLAIN, _CONSTANT_64),
    "ViT, variable masking": (_PLAIN, _VARYING_64),
    "ViT + RP": ({"head": "pooled"}, _VARYING),
    "ViT + SAH": ({"regions": []}, _FULL_64),
    "ViT + RP + SAH": ({}, _VARYING),
    "ViT + RP + SAH, no learned mask": ({"learned_mask": False}, _VARYING),
    "ViT + RP + SAH, constant masking": ({}, _CONSTANT),
    "ViT + mapped": ({"regions": [], "head": "mapped"}, _FULL_64),
    "ViT + RP + mapped": ({"head": "mapped"}, _VARYING),
    "ViT + RP + mapped, constant masking": ({"head": "mapped"}, _CONSTANT),
    "ViT + RP + mapped, no learned mask": ({"head": "mapped", "learned_mask": False}, _VARYING),
    "ViT + RP + shared": ({"head": "shared"}, _VARYING),
    "ViT + RP + factored": ({"head": "factored"}, _VARYING),
    "ViT + RP + part tokens": ({"head": "part-tokens"}, _VARYING),
    "ViT + RP + residual": ({"head": "residual"}, _VARYING),
    "ViT + RP + shared, part dropout": ({"head": "shared", "part_dropout": 0.5}, _VARYING),
    "ViT + RP + residual, part dropout": ({"head": "residual", "part_dropout": 0.5}, _VARYING),
}
#: Run where they are asked for: the paper's head with part dropout, and heads with one change.
TRIAL_ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ViT + RP + SAH, part dropout": ({"part_dropout": 0.5}, _VARYING),
    "ViT + RP + part tokens, part dropout": (
        {"head": "part-tokens", "part_dropout": 0.5}, _VARYING,
    ),
    **{name: ({"head": name}, _VARYING) for name in TRIALS},
}  # fmt: skip
UNTRAINED = "untrained"


def draw_people(folder: Path, trained: int) -> None:
    """The shards of both groups of people, unless they are there; trained: how many of them."""
    from webbody.demo.pose_scale import write_pose_scale

    for name, people, pictures in (
        ("train", range(TRAINED, TRAINED + trained), TRAINING_PICTURES),
        ("held-out", range(HELD_OUT, HELD_OUT + STRANGERS), HELD_OUT_PICTURES),
    ):
        if not (folder / name / "complete").exists():
            write_pose_scale(folder / name, people, pictures)
            (folder / name / "complete").touch()


@contextmanager
def head_of(row: str) -> Iterator[None]:
    """Models of this row can be made: the package knows no trial heads."""
    trials = {row: TRIALS[row]} if row in TRIALS else {}
    choice.OF_PARTS.update(trials)
    try:
        yield
    finally:
        for name in trials:
            del choice.OF_PARTS[name]


def train_row(people: Path, out: Path, row: str, seed: int, epochs: float) -> dict[str, Any]:
    """Trains one row from one seed; its figures."""
    import torch

    from model import SapiensID
    from model.training.start import start
    from webbody.config import load_as, read_preset
    from webbody.train_config import TrainConfig

    torch.set_num_threads(1)
    arguments, settings = {**ROWS, **TRIAL_ROWS}["ViT + RP + SAH" if row == UNTRAINED else row]
    chosen = load_as(TrainConfig, None, [], read_preset("train", "demo"), "")
    chosen.model.arguments.update(arguments)
    chosen.optimization.epochs, chosen.optimization.warmup_epochs = epochs, epochs / 10
    for key, value in settings.items():
        section, field = key.split(".")
        setattr(getattr(chosen, section), field, value)
    chosen.data.sources, chosen.out, chosen.seed = (str(people / "train"),), str(out), seed
    chosen.resources.log_seconds = 60.0
    begin = time.monotonic()
    if row == UNTRAINED:
        torch.manual_seed(seed)
        preset = {"depth": 4, "width": 128, "heads": 4, "feature_dim": 256}
        model = SapiensID(**{**preset, **chosen.model.arguments})
    else:
        with head_of(row):
            start(chosen.model_dump(), lambda text: None, lambda progress: None)
            model = SapiensID.from_pretrained(out / "model")
    return {"seconds": time.monotonic() - begin, **found(model, people / "held-out")}


def found(model: Any, people: Path) -> dict[str, float]:
    """Rank-1 of the three tasks, in percent, and the mAP of the third."""
    from model.evaluation.ranking import evaluate

    close, full = (features(model, sorted(people.glob(f"{s}-*.tar"))) for s in ("close", "full"))
    ranked = {
        # Every image has a camera of its own: it is never its own match.
        "face": evaluate(close, close, "general"),
        "body": evaluate(full, full, "general"),
        "cross": evaluate(full, close, "ignore_cameras"),
    }
    return {
        **{task: 100 * ranking.rank(1) for task, ranking in ranked.items()},
        "cross mAP": 100 * ranked["cross"].mAP,
    }


def features(model: Any, shards: list[Path]) -> Any:
    """The images of shards with their features, as `evaluate` takes them."""
    import numpy as np

    from model.evaluation.ranking import Images
    from model.features.extract import Extractor
    from model.features.samples import read_shard

    rows, people = [], []
    for shard in shards:
        with shard.open("rb") as file:
            for block in Extractor(model)(read_shard(file, str(shard), model.image_size)):
                rows.append(block.features_BF)
                people += [sample.person for sample in block.samples]
    return Images(np.concatenate(rows), np.array(people), np.arange(len(people)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for shards, runs, figures")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each row")
    parser.add_argument("--people", type=int, default=400, help="trained on (a DIR for each)")
    parser.add_argument("--images", type=int, default=16_000, help="shown in each run")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, a thread each")
    parser.add_argument("--rows", nargs="+", default=[UNTRAINED, *ROWS], help="rows to run")
    parser.add_argument("--beside", default="ViT + RP", help="row that differences are taken to")
    parser.add_argument("--one", nargs=2, metavar=("ROW", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    out: Path = options.out
    people = out / "people"
    epochs = options.images / (options.people * sum(TRAINING_PICTURES.values()))
    if options.one:
        row, seed = options.one[0], int(options.one[1])
        folder = folder_of(out, row, seed)
        figures = train_row(people, folder, row, seed, epochs)
        (folder / "figures.json").write_text(json.dumps(figures))
        return
    draw_people(people, options.people)
    runs = [(row, seed) for seed in range(options.seeds) for row in options.rows]

    def run(row_seed: tuple[str, int]) -> None:
        row, seed = row_seed
        folder = folder_of(out, row, seed)
        if not (folder / "figures.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            budget = ["--people", str(options.people), "--images", str(options.images)]
            one = ["--out", str(out), *budget, "--one", row, str(seed)]
            with (folder / "output.txt").open("w") as output:
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.ablation", *one],
                    check=True, stdout=output, stderr=subprocess.STDOUT,
                )  # fmt: skip
        print(f"{row}, seed {seed}: {(folder / 'figures.json').read_text()}", flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(run, runs))
    print(table(out, options.rows, options.seeds))
    if options.seeds > 1 and options.beside in options.rows:
        print("\n" + differences(out, options.rows, options.seeds, options.beside))


def table(out: Path, rows: list[str], seeds: int) -> str:
    """The figures of all runs in Markdown."""
    lines = ["| | face | body | cross | mean | cross mAP |", "|---|---|---|---|---|---|"]
    for row in rows:
        runs = [
            json.loads((folder_of(out, row, s) / "figures.json").read_text()) for s in range(seeds)
        ]
        cells = [[run[task] for run in runs] for task in TASKS]
        cells += [[statistics.mean(values) for values in zip(*cells, strict=True)]]
        cells += [[run["cross mAP"] for run in runs]]
        shown = (f"{statistics.mean(c):.1f} ± {statistics.pstdev(c):.1f}" for c in cells)
        lines.append(f"| {row} | {' | '.join(shown)} |")
    return "\n".join(lines)


def differences(out: Path, rows: list[str], seeds: int, beside: str) -> str:
    """Every row's mean less that of another row with the same seed, with its 95 % interval."""
    means = {
        row: [
            statistics.mean(json.loads((folder_of(out, row, seed) / "figures.json").read_text())[t]
                            for t in TASKS)
            for seed in range(seeds)
        ]
        for row in rows
    }  # fmt: skip
    lines = [f"| mean less that of {beside} | | 95 % |", "|---|---|---|"]
    for row in [row for row in rows if row != beside]:
        paired = [one - other for one, other in zip(means[row], means[beside], strict=True)]
        half = stats.t.ppf(0.975, seeds - 1) * statistics.stdev(paired) / seeds**0.5
        middle = statistics.mean(paired)
        lines.append(f"| {row} | {middle:+.1f} | {middle - half:+.1f} to {middle + half:+.1f} |")
    return "\n".join(lines)


def folder_of(out: Path, row: str, seed: int) -> Path:
    name = "".join(letter if letter.isalnum() else "-" for letter in row)
    return out / "runs" / f"{name}-{seed}"


if __name__ == "__main__":
    main()
