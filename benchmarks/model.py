"""SapiensID beside a plain ViT of equal depth and width, in the same run: speed and memory.

    python -m benchmarks.model [--preset base] [--head KIND] [--tokens 112 ...] [--json FILE]

The plain ViT embeds as many patches, has the same blocks without a bias on the attention, and one
linear map of the mean token to the feature. "forward" is inference; "step" is forward and backward
in training mode, without a loss or an optimiser. The two models take turns, and figures are those
of the median turn, so that other work on the machine hits both alike; on the CPU they are of
processor time. `ratio` is SapiensID's speed in units of the plain ViT's, `FLOPs` what it would be
if both did as many FLOPs a second. Memory is the peak beyond the weights: what a forward keeps,
and the gradients. On the CPU it is taken in a process of its own, in float32; on CUDA training
runs in bfloat16.

A second table compares ways to add KP-RPE's bias (benchmarks/attention_forms.py).
"""

import argparse
import multiprocessing
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.attention_forms import FORMS, ON_CUDA
from benchmarks.figures import Figures, add_option
from benchmarks.model_runs import (
    OURS,
    PLAIN,
    Case,
    build,
    flops,
    peak_on_cpu,
    peak_on_cuda,
    runner,
    seconds,
)
from model.sapiensid.heads.choice import HEADS
from model.sapiensid.sapiensid import PRESETS


class Bench:
    """Models that are built once, and the rows found so far, written to a file after each."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.device = arguments, arguments.device
        self.models: dict[str, nn.Module] = {}
        self.figures = Figures("model", arguments)
        on_cuda = self.device == "cuda"
        machine = {
            "device": torch.cuda.get_device_name() if on_cuda else "CPU",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "preset": arguments.preset,
            "head": arguments.head,
            "compile": arguments.compile,
            "load": os.getloadavg()[0],
        }
        self.add(", ".join(f"{key} {value}" for key, value in machine.items()), **machine)

    def case(self, model: str, tokens: int, train: bool, form: str = "") -> Case:
        a = self.arguments
        # As many pairs of tokens in every batch; on the CPU two images are enough.
        batch = a.batch or (max(1, round(128 * (166 / tokens) ** 2)) if a.device == "cuda" else 2)
        return Case(model, a.preset, a.device, a.compile, tokens, batch, train, form, a.head)

    def measure(self, cases: dict[str, Case]) -> dict[str, tuple[float, float]]:
        """Images per second and peak memory (MiB) of every case that runs; tells which do not."""
        runs = {}
        for name, case in cases.items():
            model = self.models.get(case.model) or build(case)
            self.models[case.model] = model
            run = runner(case, model)
            try:
                run()
            except Exception as error:  # one form that fails must not cost the others
                print(f"{name}: {type(error).__name__}: {str(error).strip().splitlines()[0]}")
                continue
            runs[name] = run
        found = seconds(runs, self.device, self.arguments.rounds)
        return {
            name: (cases[name].batch / found[name], self.peak(cases[name], run))
            for name, run in runs.items()
        }

    def peak(self, case: Case, run: Callable[[], None]) -> float:
        if self.device == "cuda":
            return peak_on_cuda(self.models[case.model], run)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(peak_on_cpu, (case,))

    def add(self, line: str, **row: Any) -> None:
        print(line, flush=True)
        self.figures.row(**row)

    def models_table(self) -> None:
        print(f"{'tokens':>6} {'batch':>5} {'mode':>8} {PLAIN:>12} {OURS:>12} ", end="")
        print(f"{'ratio':>6} {'FLOPs':>6} {PLAIN:>12} {OURS:>12}", flush=True)
        for tokens in self.arguments.tokens:
            for train in (False, True):
                cases = {name: self.case(name, tokens, train) for name in (PLAIN, OURS)}
                counts = [flops(case) for case in cases.values()]
                found = self.measure(cases)
                if len(found) < 2:
                    continue
                (plain, plain_mib), (ours, ours_mib) = found[PLAIN], found[OURS]
                batch, mode = cases[OURS].batch, "step" if train else "forward"
                self.add(
                    f"{tokens:6} {batch:5} {mode:>8} {plain:10.1f}/s {ours:10.1f}/s "
                    f"{ours / plain:6.2f} {counts[0] / counts[1]:6.2f} "
                    f"{plain_mib:8.0f} MiB {ours_mib:8.0f} MiB",
                    table="models", mode=mode, tokens=tokens, batch=batch, flops=counts,
                    images_per_second=[plain, ours], peak_mib=[plain_mib, ours_mib],
                )  # fmt: skip
                head = "" if self.arguments.head == "semantic" else f" {self.arguments.head}"
                self.figures.ratio(f"{mode} {tokens}{head}", ours / plain)

    def forms_table(self) -> None:
        print(f"\n{'tokens':>6} {'batch':>5} {'mode':>8} {'bias':<18} {'speed':>12} {'memory':>12}")
        for tokens in self.arguments.bias_tokens:
            for train in (False, True):
                usable = [f for f in FORMS if f not in ON_CUDA or (train and self.device == "cuda")]
                forms = [form for form in self.arguments.forms or usable if form in usable]
                cases = {form: self.case(OURS, tokens, train, form) for form in forms}
                mode = "step" if train else "forward"
                for form, (speed, mib) in self.measure(cases).items():
                    batch = cases[form].batch
                    self.add(
                        f"{tokens:6} {batch:5} {mode:>8} {form:<18} {speed:10.1f}/s {mib:8.0f} MiB",
                        table="forms", mode=mode, form=form, tokens=tokens, batch=batch,
                        images_per_second=speed, peak_mib=mib,
                    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--preset", choices=PRESETS, default="base")
    parser.add_argument("--head", choices=HEADS, default="semantic", help="of SapiensID")
    parser.add_argument("--tokens", type=int, nargs="*", default=[112, 166, 281, 432])
    parser.add_argument(
        "--bias-tokens", type=int, nargs="*", default=[166], help="tokens in the second table"
    )
    parser.add_argument("--forms", nargs="*", choices=FORMS, help="of the second table; all")
    parser.add_argument(
        "--batch", type=int, help="images; 2 on the CPU, 128 at 166 tokens on CUDA, ~ 1 / tokens^2"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each")
    parser.add_argument(
        "--compile",
        choices=("no", "blocks", "model"),
        default="no",
        help="torch.compile for every block, or for the whole model",
    )
    add_option(parser)
    arguments = parser.parse_args()
    # Every form is compiled once more where the model is.
    torch._dynamo.config.recompile_limit = 64
    bench = Bench(arguments)
    if arguments.tokens:
        bench.models_table()
    if arguments.bias_tokens:
        bench.forms_table()


if __name__ == "__main__":
    main()
