"""What benchmarks/model.py measures: models built, run, timed, and their memory and FLOPs."""

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

from benchmarks.attention_forms import FORMS
from model import SapiensID
from model.encoder import EncoderBlock, norm_in_float
from model.flops import encoder_flops, forward_flops
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
    head: str = "semantic"

    @property
    def arguments(self) -> dict[str, Any]:
        head = {"head": self.head} if self.model == OURS else {}
        return {**PRESETS[self.preset], **head}

    @property
    def context(self) -> AbstractContextManager[None]:
        return FORMS[self.form]() if self.form else nullcontext()


def build(case: Case) -> nn.Module:
    """The model, with random weights and a bias that is not zero."""
    torch.manual_seed(0)
    with torch.device(case.device):
        model = MODELS[case.model](**case.arguments)
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
    """Seconds of the median run of each; they take turns, after some to warm up.

    On the CPU it is processor time, all threads together.
    """
    clock = time.perf_counter if device == "cuda" else time.process_time
    repeats, warm = (10, 3) if device == "cuda" else (1, 1)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(warm):
            run()
    for _ in range(rounds):
        for name, run in runs.items():
            wait(device)
            started = clock()
            for _ in range(repeats):
                run()
            wait(device)
            times[name].append((clock() - started) / repeats)
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


def flops(case: Case) -> float:
    """FLOPs of one image's forward."""
    with torch.device("meta"):
        model = MODELS[case.model](**case.arguments)
    if isinstance(model, SapiensID):
        return forward_flops(model, case.tokens)
    tokens = case.tokens + 2
    around = model.embed.weight.numel() * tokens + model.feature.weight.numel()
    return encoder_flops(model.get_submodule("blocks").children(), tokens) + 2 * around
