"""Training end to end, and on samples that are there already, so that the loader's share shows.

    python -m benchmarks.train [--preset base] [--people 263920] [--batch 896] [--json FILE]

The first table has steps of one number of kept tokens each, on synthetic samples that lie on the
device. The second has a run as the distribution of kept tokens makes it: on those samples, end to
end from shards of synthetic pictures in a temporary folder, and the loader alone. "waiting" is the
share of the time spent waiting for data; "MFU" the share of the device's peak by its data sheet
that the model's and the classifier's arithmetic makes up. A step is all of a step: copying,
augmentation, forward, backward, clipping, optimizer. Target on one H200: 4,000 images/s end to end.

On the CPU the defaults are a tiny model and few people, which says little about a GPU.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.figures import Figures, add_option
from benchmarks.loader import write_shards
from benchmarks.model_runs import resident, wait
from model import SapiensID
from model.flops import classifier_flops, peak_flops, training_flops
from model.losses import AdaFace, PartialFC
from model.sapiensid.masking import KeptTokens
from model.sapiensid.sapiensid import PRESETS
from model.training.data.loader import Loader
from model.training.data.order import Order
from model.training.data.table import Table, read_table
from model.training.steps.augment import Augment
from model.training.steps.classifier_trainer import StepSamples
from model.training.steps.plan import TrainingStep, plan
from model.training.steps.schedule import Batches
from model.training.steps.trainer import Trainer

RATE = 0.1  # of the classes in use, as PartialFC's in the paper's preset


@dataclass(frozen=True)
class Speed:
    """What some steps gave; flops are per second, waiting is a share of the time."""

    images: float
    tokens: float
    flops: float
    waiting: float
    peak_gib: float


class Bench:
    """A trainer, samples for it on the device and in shards, and the rows found so far."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments, self.device = arguments, arguments.device
        on_cuda = self.device == "cuda"
        torch.manual_seed(0)
        model = SapiensID(**PRESETS[arguments.preset])
        classifier = PartialFC(model.feature_dim, arguments.people, AdaFace(), RATE)
        self.trainer = Trainer(
            model,
            classifier,
            augment=Augment(),
            device=self.device,
            mixed_precision=on_cuda,
            compiled=arguments.compile,
        )
        self.peak = peak_flops(self.device, torch.bfloat16 if on_cuda else torch.float32)
        write_shards(folder, arguments.images, model.image_size)
        self.table: Table = read_table([str(folder)], folder / "cache", processes=1)
        distribution = KeptTokens(arguments.least, arguments.most)
        self.batches = Batches(distribution, arguments.batch)
        self.steps = self.law_steps()
        # A step's samples are the first of these.
        sizes = [step.size for step in self.steps] + [*map(self.batches.size, arguments.tokens)]
        largest = TrainingStep(0, 0, max(sizes), arguments.tokens[0], 0.0)
        self.samples = moved(next(iter(self.loader("cpu", 0)([largest]))), self.device)
        self.figures = Figures("train", arguments)
        machine = {
            "device": torch.cuda.get_device_name() if on_cuda else "CPU",
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "preset": arguments.preset,
            "people": arguments.people,
            "compiled": arguments.compile,
            "load": os.getloadavg()[0],
        }
        self.add(", ".join(f"{key} {value}" for key, value in machine.items()), **machine)

    def loader(self, decode: str, workers: int) -> Loader:
        order = Order(np.ones(len(self.table)), 0)
        side, on_device = self.trainer.model.image_size, decode == "cuda"
        return Loader(
            self.table, order, side, workers=workers, device=self.device, decode_on_device=on_device
        )

    def synthetic(self, steps: Sequence[TrainingStep]) -> Iterator[StepSamples]:
        for step in steps:
            s, size = self.samples, step.size
            yield StepSamples(s.images_BCHW[:size], s.keypoints_BK3[:size], s.labels_B[:size],
                          s.datasets_B[:size])  # fmt: skip

    def law_steps(self) -> Sequence[TrainingStep]:
        """A run's first steps."""
        count = self.arguments.warm + self.arguments.law_steps
        enough = 2 * count * self.arguments.batch
        steps = plan(self.batches, samples=enough, warmup=0, rate=1e-5, seed=0, token_multiple=8)
        return steps[:count]

    def tried(
        self, steps: Sequence[TrainingStep], samples: Iterable[StepSamples], train: bool = True
    ) -> Speed | None:
        """As `run`; None where it fails, which must not cost the other rows."""
        try:
            return self.run(steps, samples, train)
        except Exception as error:
            print(f"{type(error).__name__}: {str(error)[:500].strip()}", flush=True)
            return None

    def run(
        self, steps: Sequence[TrainingStep], samples: Iterable[StepSamples], train: bool = True
    ) -> Speed:
        """The speed of the steps after the first `warm` of them."""
        skip, width = self.arguments.warm, self.trainer.model.feature_dim
        classes = classifier_flops(width, RATE * self.arguments.people)
        images, tokens, flops, waited, begin = 0, 0, 0.0, 0.0, 0.0
        batches = iter(samples)
        for number, step in enumerate(steps):
            if number == skip:
                wait(self.device)
                self.forget_peak()
                waited, begin = 0.0, time.perf_counter()
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            if train:
                self.trainer.step(step, batch)
            if number >= skip:
                images, tokens = images + step.size, tokens + step.size * step.tokens
                flops += step.size * (training_flops(self.trainer.model, step.tokens) + classes)
        wait(self.device)
        seconds = time.perf_counter() - begin
        return Speed(
            images / seconds, tokens / seconds, flops / seconds, waited / seconds, self.peak_gib()
        )

    def forget_peak(self) -> None:
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        else:
            with suppress(OSError):  # Linux only
                Path("/proc/self/clear_refs").write_text("5")

    def peak_gib(self) -> float:
        if self.device == "cuda":
            return torch.cuda.max_memory_allocated() / (1 << 30)
        return resident("VmHWM") / 1024

    def add(self, line: str, **row: Any) -> None:
        print(line, flush=True)
        self.figures.row(**row)

    def tell(self, label: str, speed: Speed | None, train: bool = True, **row: Any) -> None:
        if speed is None:
            self.add(f"{label} failed", **row, failed=True)
            return
        mfu = f"{speed.flops / self.peak:6.1%}" if self.peak and train else f"{'-':>6}"
        memory = f"{speed.peak_gib:9.2f} GiB" if train else f"{'-':>13}"
        line = f"{label} {speed.images:9,.1f}/s {speed.tokens:11,.0f}/s"
        line += f" {speed.waiting:8.1%} {mfu} {memory}"
        self.add(line, **row, **vars(speed), peak_flops=self.peak)

    def by_tokens(self) -> None:
        head = f"{'images':>11} {'tokens':>13} {'waiting':>8} {'MFU':>6} {'memory':>13}"
        print(f"\n{'tokens':>6} {'batch':>6} {head}")
        count = self.arguments.warm + self.arguments.steps
        for tokens in self.arguments.tokens:
            size = self.batches.size(tokens)
            steps = [TrainingStep(number, 0, size, tokens, 1e-5) for number in range(count)]
            speed = self.tried(steps, self.synthetic(steps))
            self.tell(f"{tokens:6} {size:6}", speed, table="by tokens", kept=tokens, batch=size)

    def by_law(self) -> None:
        steps = self.steps
        mean = sum(step.tokens for step in steps) / len(steps)
        head = f"{'images':>11} {'tokens':>13} {'waiting':>8} {'MFU':>6} {'memory':>13}"
        print(f"\n{f'{len(steps)} steps, {mean:.0f} tokens on average':<42} {head}")
        synthetic = self.tried(steps, self.synthetic(steps))
        self.tell(f"{'synthetic':<42}", synthetic, table="by law", what="synthetic",
                  mean_tokens=mean)  # fmt: skip
        workers = self.arguments.workers
        for decode in self.arguments.decode:
            how = f"decoding on {decode}, {workers} workers"
            loader = self.loader(decode, workers)
            speed = self.tried(steps, loader(steps))
            self.tell(f"{'end to end, ' + how:<42}", speed, table="by law", what="end to end",
                      decode=decode, workers=workers, mean_tokens=mean)  # fmt: skip
            if speed is not None and synthetic is not None:
                name = "end to end" if decode == "cpu" else f"end to end, decoding on {decode}"
                self.figures.ratio(name, speed.images / synthetic.images)
            alone = self.tried(steps, loader(steps), train=False)
            self.tell(f"{'loader alone, ' + how:<42}", alone, False, table="by law",
                      what="loader", decode=decode, workers=workers)  # fmt: skip

    def profile(self) -> None:
        """The kernels of one step of middling size."""
        tokens = self.arguments.tokens[len(self.arguments.tokens) // 2]
        step = TrainingStep(0, 0, self.batches.size(tokens), tokens, 1e-5)
        samples = next(self.synthetic([step]))
        self.trainer.step(step, samples)
        wait(self.device)
        with torch.profiler.profile() as profiler:
            self.trainer.step(step, samples)
            wait(self.device)
        key = "self_cuda_time_total" if self.device == "cuda" else "self_cpu_time_total"
        table = profiler.key_averages().table(key, row_limit=30, max_name_column_width=70)
        print(f"\nOne step of {step.size} images, {tokens} tokens\n{table}")


def moved(samples: StepSamples, device: str) -> StepSamples:
    """The samples on the device, for good: the loader's buffers are filled again."""
    given = (tensor for tensor in vars(samples).values() if tensor is not None)
    return StepSamples(*(tensor.to(device, copy=True) for tensor in given))


def main() -> None:
    on_cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if on_cuda else "cpu")
    parser.add_argument("--preset", choices=PRESETS, help="base on CUDA, tiny on the CPU")
    parser.add_argument("--people", type=int, help="263,920 on CUDA, 1,000 on the CPU")
    parser.add_argument(
        "--batch", type=int, help="at the fewest tokens, fewer by the square of more; 896 or 32"
    )
    parser.add_argument("--tokens", type=int, nargs="+", help="of the first table")
    parser.add_argument("--least", type=float, help="of the distribution of kept tokens; 108 or 60")
    parser.add_argument("--most", type=float, help="345 or 140")
    parser.add_argument("--images", type=int, default=2000, help="in the shards")
    parser.add_argument("--workers", type=int, help="that read and decode; as many as cores")
    parser.add_argument("--decode", nargs="*", choices=("cpu", "cuda"), help="where; both on CUDA")
    parser.add_argument("--warm", type=int, help="steps before each measurement; 10 or 2")
    parser.add_argument("--steps", type=int, help="of each row of the first table; 20 or 3")
    parser.add_argument("--law-steps", type=int, help="of each row of the second; 200 or 12")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="yes on CUDA")
    parser.add_argument("--profile", action="store_true", help="print the kernels of a step too")
    add_option(parser)
    arguments = parser.parse_args()
    cuda = arguments.device == "cuda"
    defaults: dict[str, tuple[Any, Any]] = {
        "preset": ("base", "tiny"),
        "people": (263_920, 1000),
        "batch": (896, 32),
        "tokens": ([110, 166, 278, 342], [62, 102, 142]),
        "least": (108.0, 60.0),
        "most": (345.0, 140.0),
        "workers": (os.cpu_count() or 1, 1),
        "decode": (["cpu", "cuda"], ["cpu"]),
        "warm": (10, 2),
        "steps": (20, 3),
        "law_steps": (200, 12),
        "compile": (True, False),
    }
    for name, (one, other) in defaults.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, one if cuda else other)
    if not cuda:
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, Path(folder))
        bench.by_tokens()
        bench.by_law()
        if arguments.profile:
            bench.profile()
    if not cuda:
        print("\nGPU: not measured.")


if __name__ == "__main__":
    main()
