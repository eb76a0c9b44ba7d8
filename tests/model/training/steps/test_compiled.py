"""Compiled training: the same steps, and no compilation for each number of tokens."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partialmethod
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch._dynamo.utils import counters

from model import SapiensID
from model.losses import AdaFace, PartialFC
from model.sapiensid.masking import KeptTokens
from model.training.processes import leave_processes
from model.training.steps.augment import Augment
from model.training.steps.plan import TrainingStep, plan
from model.training.steps.schedule import Batches
from model.training.steps.trainer import Trainer
from tests.model.training import runs


def trainer(compiled: bool) -> Trainer:
    torch.manual_seed(0)
    model = SapiensID(2, 32, 2, 16, image_size=96, datasets=2, keypoint_bias=32, drop_path=0.2)
    nn.init.normal_(model.keypoint_bias.table.weight, std=0.1)
    classifier = PartialFC(16, runs.CLASSES, AdaFace(), seed=3)
    return Trainer(model, classifier, augment=Augment(), seed=7, compiled=compiled)


def steps(count: int) -> list[TrainingStep]:
    """Steps of very different sizes, as the distribution of kept tokens makes them."""
    distribution = KeptTokens(min=38, max=160)
    found = plan(
        Batches(distribution, 16, multiple=2), samples=30 * count, warmup=0, rate=1e-4, seed=1,
        token_multiple=8,
    )[:count]  # fmt: skip
    assert len({step.tokens for step in found}) > count // 3
    assert len({step.size for step in found}) > count // 5
    return list(found)


def losses(one: Trainer, todo: list[TrainingStep]) -> list[float]:
    return [one.step(step, runs.samples(step, 0, 1)).loss.item() for step in todo]


def largest_difference(one: Trainer, other: Trainer) -> float:
    theirs = other.model.state_dict()
    return max(float((v - theirs[k]).abs().max()) for k, v in one.model.state_dict().items())


@pytest.fixture
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def test_steps_of_all_sizes_are_compiled_once_and_are_the_same(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = CompileCounterWithBackend("aot_eager")
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend=counter))
    todo = steps(14)
    # The first size equals no other dimension: the compiler would take them for one.
    todo[0] = replace(todo[0], size=10)
    plain, compiled = trainer(False), trainer(True)
    first = losses(compiled, todo[:1])
    frames = counter.frame_count
    assert frames in (1, 2)  # its first attempt may be repeated
    assert first + losses(compiled, todo[1:]) == pytest.approx(losses(plain, todo), rel=1e-5)
    assert counter.frame_count == frames
    assert not counters["graph_break"]


@pytest.mark.slow
def test_the_compilers_own_code_computes_the_same(fresh: None) -> None:
    todo = steps(6)
    plain, compiled = trainer(False), trainer(True)
    assert losses(compiled, todo) == pytest.approx(losses(plain, todo), rel=1e-5)
    assert largest_difference(compiled, plain) < 1e-3


def _rank(rank: int, ranks: int, root: Path) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    counter = CompileCounterWithBackend("aot_eager")
    nn.Module.compile = partialmethod(nn.Module.compile, backend=counter)
    wait = timedelta(seconds=200)
    dist.init_process_group("gloo", f"file://{root}/meet", wait, rank=rank, world_size=ranks)
    found = _losses_of(rank, ranks)
    torch.save((found, counter.frame_count), root / f"{rank}.pt")
    leave_processes()


def _losses_of(rank: int, ranks: int) -> list[float]:
    one = trainer(True)
    return [one.step(step, runs.samples(step, rank, ranks)).loss.item() for step in steps(6)]


@pytest.mark.slow
def test_ranks_compile_as_one_does(tmp_path: Path) -> None:
    multiprocessing.spawn(_rank, (2, tmp_path), nprocs=2)
    plain = losses(trainer(False), steps(6))
    for rank in range(2):
        found, frames = torch.load(tmp_path / f"{rank}.pt")
        assert found == pytest.approx(plain, rel=1e-5)
        assert frames <= 3
