"""A small training run in several gloo processes, for tests that compare it with one process."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.losses import AdaFace, PartialFC, load_shard, save_shard
from model.training.processes import leave_processes

INPUTS, WIDTH, CLASSES = 6, 8, 11  # 11 classes divide evenly over no number of ranks in use
RUN = (3, 1, 5, 2)  # samples of each rank, step by step
MANY, RATE = 601, 0.3  # for sampling: no rank has room for all its classes


def run_ranks(root: Path) -> list[dict[str, Any]]:
    """Three processes train as two, leaving root/2, then as three, leaving root/3, and resume.

    Returns what each rank found: "2" (None on the third rank), "3", and "resumed", root/2 at three;
    "sampled 2" and "sampled 3" of a step with sampling.
    """
    for folder in ("2", "3"):
        (root / folder).mkdir()
    multiprocessing.spawn(_process, (root,), nprocs=3)
    return [torch.load(root / f"{rank}.pt", weights_only=True) for rank in range(3)]


def _process(rank: int, root: Path) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    wait = timedelta(seconds=60)
    dist.init_process_group("gloo", f"file://{root}/meet", rank=rank, world_size=3, timeout=wait)
    torch.save(_found(rank, root), root / f"{rank}.pt")
    leave_processes()


def _found(rank: int, root: Path) -> dict[str, Any]:
    pair = dist.new_group([0, 1])
    return {
        "2": train(root / "2", pair) if rank < 2 else None,
        "3": train(root / "3", None),
        "resumed": resume(root / "2"),
        "sampled 2": sampled(pair) if rank < 2 else None,
        "sampled 3": sampled(None),
    }


def batch(step: int, size: int, classes: int = CLASSES) -> tuple[Tensor, Tensor]:
    """Inputs and labels of all ranks; the features' norms are about 60."""
    random = torch.Generator().manual_seed(step)
    inputs_GX = torch.randn(size, INPUTS, generator=random) * 40
    return inputs_GX, torch.randint(classes, (size,), generator=random)


def make_backbone() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(INPUTS, WIDTH)


def make_head(group: dist.ProcessGroup | None = None, classes: int = CLASSES, rate: float = 1.0):
    return PartialFC(WIDTH, classes, AdaFace(momentum=0.3), rate, seed=4, group=group)


def step(
    model: nn.Module,
    head: PartialFC,
    inputs_GX: Tensor,
    labels_G: Tensor,
    seed: int | None = None,
) -> dict[str, Tensor]:
    """The loss and every gradient of one step on this rank's samples."""
    size = len(labels_G) // head.ranks
    own = slice(head.rank * size, (head.rank + 1) * size)
    model.zero_grad()
    head.zero_grad()
    features_BD = model(inputs_GX[own])
    features_BD.retain_grad()
    before = {"weight": head.weight.detach().clone()}
    loss = head(features_BD, labels_G[own], seed)
    loss.backward()
    gradients = {"features": features_BD, "backbone": next(model.parameters()), "head": head.weight}
    found = {f"{name}_grad": value.grad.clone() for name, value in gradients.items()}
    return snapshot(head, {}) | before | found | {"loss": loss.detach()}


def snapshot(head: PartialFC, moments: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of what a checkpoint is to keep."""
    state = {"weight": head.weight, "mean": head.margin.batch_mean, "std": head.margin.batch_std}
    return {name: value.detach().clone() for name, value in (state | dict(moments)).items()}


def train(saved: Path, group: dist.ProcessGroup | None) -> dict[str, Any]:
    """Steps of changing size, a checkpoint, and what came after it."""
    model = DistributedDataParallel(make_backbone(), process_group=group)
    head = make_head(group)
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.01)
    steps = []
    for number, size in enumerate(RUN):
        steps.append(step(model, head, *batch(number, size * head.ranks)))
        optimizer.step()
    save_shard(saved, head, optimizer.state[head.weight])
    kept = snapshot(head, optimizer.state[head.weight])
    after = go_on(head, optimizer)
    return {"steps": steps, "kept": kept, "after": after}


def sampled(group: dist.ProcessGroup | None) -> dict[str, Tensor]:
    """A step with sampling on 6 samples in all, and which of this rank's classes were in use."""
    backbone = make_backbone()
    model = (
        DistributedDataParallel(backbone, process_group=group)
        if dist.is_initialized()
        else backbone
    )
    head = make_head(group, MANY, RATE)
    inputs_GX, labels_G = batch(9, 6, MANY)
    rows_S, excluded_S = head.sample(head.find(labels_G), seed=5)
    assert len(rows_S) < len(head.owned)
    classes = rows_S[excluded_S == 0] + head.owned.start
    return step(model, head, inputs_GX, labels_G, seed=5) | {"classes": classes}


def resume(saved: Path) -> dict[str, Any]:
    """The checkpoint at this number of ranks, and what comes after it."""
    head = make_head()
    moments = load_shard(saved, head)
    kept = snapshot(head, moments)
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.01)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": {0: moments}})
    return {"kept": kept, "after": go_on(head, optimizer)}


def go_on(head: PartialFC, optimizer: torch.optim.Optimizer) -> Tensor:
    """Losses of two more steps on 6 samples in all."""
    model, losses = make_backbone(), []
    for number in (20, 21):
        losses.append(step(model, head, *batch(number, 6))["loss"])
        optimizer.step()
    return torch.stack(losses)
