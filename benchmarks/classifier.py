"""PartialFC at several rates beside a full softmax of the same size: forward and backward.

    python -m benchmarks.classifier [--people 263920] [--rates 0.1 1.0] [--json FILE]

The full softmax is cosines of all classes, times a scale, and torch's cross-entropy: no margin and
no sampling, which is what a plain classifier costs. Both compute in float32, as PartialFC always
does. Optimizers are no part of it. Memory is the peak beyond the weights.
"""

import argparse
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.figures import Figures, add_option
from benchmarks.model_runs import peak_on_cuda, seconds
from model.flops import classifier_flops, peak_flops
from model.losses import AdaFace, PartialFC

FULL = "full softmax"
_SCALE = 64.0


class FullSoftmax(nn.Module):
    """Cross-entropy of scaled cosines of all classes."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, width) * 0.01)

    def forward(self, features_BD: Tensor, labels_B: Tensor, seed: int) -> Tensor:
        cosines_BC = F.linear(F.normalize(features_BD), F.normalize(self.weight))
        return F.cross_entropy(_SCALE * cosines_BC, labels_B)


class Bench:
    """A batch, and the rows found so far."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.device, self.rounds = arguments.device, arguments.rounds
        self.people, self.width, self.batch = arguments.people, arguments.width, arguments.batch
        self.figures = Figures("classifier", arguments)
        self.peak = peak_flops(self.device, torch.float32)
        self.speeds: dict[str, float] = {}
        torch.manual_seed(0)
        self.features_BD = torch.randn(self.batch, self.width, device=self.device)
        self.labels_B = torch.randint(self.people, (self.batch,), device=self.device)
        print(f"{self.people:,} classes, {self.width} wide, batches of {self.batch}")
        print(f"{'':<16} {'ms a step':>10} {'images':>12} {'MFU':>7} {'memory':>12}")

    def row(self, name: str, head: nn.Module, rate: float) -> None:
        """Measure a head; one that fails loses only itself."""
        try:
            took, memory = self.measured(head)
        except Exception as error:
            failed = f"{type(error).__name__}: {str(error)[:300].strip()}"
            print(f"{name:<16} {failed}", flush=True)
            self.figures.row(head=name, failed=failed)
            return
        speed = self.speeds[name] = self.batch / took
        work = classifier_flops(self.width, rate * self.people)
        mfu = speed * work / self.peak if self.peak else None
        shown = f"{mfu:7.1%}" if mfu else f"{'-':>7}"
        shown += f" {memory:8.0f} MiB" if memory else f" {'-':>12}"
        print(f"{name:<16} {1000 * took:10.2f} {speed:10.1f}/s {shown}", flush=True)
        self.figures.row(
            head=name, batch=self.batch, people=self.people, width=self.width,
            milliseconds=1000 * took, images_per_second=speed, mfu=mfu, peak_flops=self.peak,
            peak_mib=memory,
        )  # fmt: skip
        if FULL in self.speeds and name != FULL:
            self.figures.ratio(f"{name} beside a full softmax", speed / self.speeds[FULL])

    def measured(self, head: nn.Module) -> tuple[float, float | None]:
        """Seconds of a step, and on CUDA its peak memory (MiB)."""
        steps = count()

        def run() -> None:
            head.zero_grad()
            features_BD = self.features_BD.detach().requires_grad_()
            head(features_BD, self.labels_B, next(steps)).backward()

        took = seconds({"": run}, self.device, self.rounds)[""]
        return took, peak_on_cuda(head, run) if self.device == "cuda" else None


def main() -> None:
    on_cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if on_cuda else "cpu")
    parser.add_argument("--people", type=int, default=263_920 if on_cuda else 10_000)
    parser.add_argument("--width", type=int, default=4096 if on_cuda else 256)
    parser.add_argument("--batch", type=int, default=512 if on_cuda else 32)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 1.0])
    parser.add_argument("--rounds", type=int, default=3)
    add_option(parser)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    with torch.device(bench.device):
        full = FullSoftmax(bench.width, bench.people)
    bench.row(FULL, full, 1.0)
    del full
    margin = AdaFace().to(bench.device)
    # Its rows take long to draw: one classifier has every rate in turn.
    sampling = PartialFC(bench.width, bench.people, margin, device=bench.device)
    for rate in arguments.rates:
        sampling.sample_rate = rate
        bench.row(f"PartialFC {rate:g}", sampling, rate)


if __name__ == "__main__":
    main()
