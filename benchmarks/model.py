"""SapiensID beside a plain ViT of equal depth and width, in the same run: speed and memory.

    python -m benchmarks.model [--preset base] [--tokens 112 166 281 432] [--json FILE]

The plain ViT embeds as many patches, has the same blocks without a bias on the attention, and one
linear map of the mean token to the feature. "forward" is inference; "step" is forward and backward
in training mode, without a loss or an optimiser. The two models take turns, and figures are those
of the median turn, so that other work on the machine hits both alike. `ratio` is SapiensID's speed
in units of the plain ViT's, `FLOPs` what it would be if both did as many FLOPs a second. Memory is
the peak beyond the weights: what a forward keeps, and the gradients. On the CPU it is taken in a
process of its own, in float32; on CUDA training runs in bfloat16.

A second table compares ways to add KP-RPE's bias (benchmarks/attention_forms.py).
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.attention_forms import FORMS, ON_CUDA
from model import SapiensID
from model.encoder import EncoderBlock, norm_in_float
from model.sapiensid.sapiensid import PRESETS

PATCH, SIZE = 32, 384
PLAIN, OURS = "plain ViT", "SapiensID"


class PlainViT(nn.Module):
    """What a ViT with these blocks can reach: nothing depends on keypoints.

    It takes SapiensID's arguments, and `tokens` patches beside CLS and the mask token.
    """

    def __init__(self, depth: int, width: int, heads: int, feature_dim: int) -> None:
        super().__init__()
        self.embed = nn.Linear(3 * PATCH * PATCH, width)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads, 3.0, 0.1) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.feature = nn.Linear(width, feature_dim, bias=False)

    def forward(self, images_BCHW: Tensor, keypoints_BK3: Tensor, tokens: int) -> Tensor:
        patches_BXT = F.unfold(images_BCHW, PATCH, stride=PATCH)
        chosen_N = torch.arange(tokens + 2, device=images_BCHW.device) % patches_BXT.shape[-1]
        x_BND = self.embed(patches_BXT[:, :, chosen_N].transpose(1, 2))
        for block in self.blocks:
            x_BND = block(x_BND)
        return self.feature(norm_in_float(self.norm, x_BND).mean(1))


MODELS: dict[str, type[nn.Module]] = {PLAIN: PlainViT, OURS: SapiensID}


@dataclass(frozen=True)
class Case:
    """One thing to measure: a model, on a device, in one mode."""

    model: str
    preset: str
    device: str
    compile: str
    tokens: int
    batch: int
    train: bool
    form: str = ""

    @property
    def context(self) -> AbstractContextManager[None]:
        return FORMS[self.form]() if self.form else nullcontext()


def build(case: Case) -> nn.Module:
    """The model, with random weights and a bias that is not zero."""
    torch.manual_seed(0)
    with torch.device(case.device):
        model = MODELS[case.model](**PRESETS[case.preset])
    if isinstance(model, SapiensID):
        nn.init.normal_(model.keypoint_bias.table.weight, std=0.02)
    # Some buffers are made on the CPU, wherever the model is.
    model.to(case.device)
    if case.compile == "model":
        model.compile(dynamic=True)
    for block in model.blocks if case.compile == "blocks" else ():
        block.compile(dynamic=True)
    return model


def runner(case: Case, model: nn.Module) -> Callable[[], None]:
    """One forward or step of the model, to be called again and again."""
    images_BCHW = torch.randn(case.batch, 3, SIZE, SIZE, device=case.device)
    keypoints_BK3 = torch.rand(case.batch, 19, 3, device=case.device)
    model.train(case.train)

    def run() -> None:
        model.zero_grad()
        mixed = torch.autocast(case.device, torch.bfloat16, enabled=case.device == "cuda")
        with case.context:
            with torch.set_grad_enabled(case.train), mixed:
                features_BF = model(images_BCHW, keypoints_BK3, tokens=case.tokens)
            if case.train:
                features_BF.float().square().mean().backward()

    return run


def seconds(runs: dict[str, Callable[[], None]], device: str, rounds: int) -> dict[str, float]:
    """Seconds of the median run of each; they take turns, after some to warm up."""
    repeats, warm = (10, 3) if device == "cuda" else (1, 1)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(warm):
            run()
    for _ in range(rounds):
        for name, run in runs.items():
            wait(device)
            started = time.perf_counter()
            for _ in range(repeats):
                run()
            wait(device)
            times[name].append((time.perf_counter() - started) / repeats)
    return {name: statistics.median(found) for name, found in times.items()}


def wait(device: str) -> None:
    """Until the device has done what was asked of it."""
    if device == "cuda":
        torch.cuda.synchronize()


def peak_on_cuda(model: nn.Module, run: Callable[[], None]) -> float:
    """Peak memory (MiB) of a run that has warmed up, beyond what was held before."""
    model.zero_grad()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    return (torch.cuda.max_memory_allocated() - before) / (1 << 20)


def peak_on_cpu(case: Case) -> float:
    """Peak memory (MiB) of the first run of a process, beyond what the model took (Linux)."""
    run = runner(case, build(case))
    before = resident("VmRSS")
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts from here
    run()
    return resident("VmHWM") - before


def resident(key: str) -> float:
    """MiB that this process holds (VmRSS), or held at most (VmHWM)."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith(key)).split()[1]) / 1024


def flops(case: Case) -> int:
    """FLOPs of one image's forward, counted on tensors without memory."""
    with torch.device("meta"):
        model = MODELS[case.model](**PRESETS[case.preset]).eval()
    named = [*model.named_parameters(), *model.named_buffers()]
    # A fake device holds nothing either, and its attention is counted by every version of torch.
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cuda"), torch.no_grad():
        state = {name: torch.empty_like(value, device="cuda") for name, value in named}
        inputs = (torch.empty(1, 3, SIZE, SIZE), torch.empty(1, 19, 3), case.tokens)
        with FlopCounterMode(display=False) as counter:
            functional_call(model, state, inputs)
    return counter.get_total_flops()


class Bench:
    """Models that are built once, and the rows found so far, written to a file after each."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.device = arguments, arguments.device
        self.models: dict[str, nn.Module] = {}
        self.rows: list[dict[str, Any]] = []
        on_cuda = self.device == "cuda"
        machine = {
            "device": torch.cuda.get_device_name() if on_cuda else "CPU",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "preset": arguments.preset,
            "compile": arguments.compile,
            "load": os.getloadavg()[0],
        }
        self.add(", ".join(f"{key} {value}" for key, value in machine.items()), **machine)

    def case(self, model: str, tokens: int, train: bool, form: str = "") -> Case:
        a = self.arguments
        # As many pairs of tokens in every batch; on the CPU two images are enough.
        batch = a.batch or (max(1, round(128 * (166 / tokens) ** 2)) if a.device == "cuda" else 2)
        return Case(model, a.preset, a.device, a.compile, tokens, batch, train, form)

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
        self.rows.append(row)
        if self.arguments.json:
            self.arguments.json.write_text(json.dumps(self.rows, indent=1) + "\n", "utf-8")

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
    parser.add_argument("--json", type=Path, help="file for the figures, written after every row")
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
