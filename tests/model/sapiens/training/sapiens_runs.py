"""Small runs of pretraining and fine-tuning, whole or killed and resumed."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from model.training.monitoring.progress import TrainingProgress
from model.training.start import start
from webbody.sapiens_config import FinetuneConfig, PretrainConfig

_PROGRAM = """
import json, sys
from importlib import import_module
from model.training.start import start

settings, kind = json.loads(sys.argv[1]), sys.argv[2]
parts_of = import_module(f"model.sapiens.training.{kind}").put_together

def report(progress):
    print(progress.done, repr(progress.loss), flush=True)

start(settings, lambda text: None, report, parts_of=parts_of)
"""
_EACH_STEP = {"workers": 0, "checkpoint_steps": 2, "log_seconds": 1e-9, "compile": "no"}


def pretraining(source: str, out: Path, **changes: Any) -> dict[str, Any]:
    """Settings of ten steps of four pictures."""
    values = {
        "out": str(out),
        "data": {"sources": [source]},
        "model": {"size": "mini", "side": 64, "decoder": [32, 1, 2]},
        "optimization": {"epochs": 4, "warmup_epochs": 1, "batch": 4, "learning_rate": 0.02},
        "resources": {**_EACH_STEP, "picture_steps": 4},
    }
    return PretrainConfig.model_validate(values | changes).model_dump()


def finetuning(task: str, source: str, out: Path, **changes: Any) -> dict[str, Any]:
    """Settings of a few steps of four samples."""
    values = {
        "out": str(out),
        "task": task,
        "data": {"sources": [source]},
        "model": {"size": "mini", "image_size": [64, 48], "channels": 8},
        "optimization": {
            "epochs": 4, "warmup_steps": 2, "batch": 4, "sigma": 1.0, "learning_rate": 1e-3,
        },
        "resources": _EACH_STEP,
    }  # fmt: skip
    return FinetuneConfig.model_validate(values | changes).model_dump()


def losses(kind: str, settings: dict[str, Any]) -> dict[int, float]:
    """What a run told of each step."""
    parts_of = import_module(f"model.sapiens.training.{kind}").put_together
    told: dict[int, float] = {}

    def report(progress: TrainingProgress) -> None:
        told[progress.done] = progress.loss

    assert start(settings, lambda text: None, report, parts_of=parts_of)
    return told


def losses_until_killed(kind: str, settings: dict[str, Any], steps: int) -> dict[int, float]:
    """The same of a run in a process of its own, which SIGKILL ends after so many steps."""
    running = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, json.dumps(settings), kind],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    assert running.stdout is not None
    told: dict[int, float] = {}
    for line in running.stdout:
        done, loss = line.split()
        told[int(done)] = float(loss)
        if len(told) == steps:
            running.kill()
            break
    assert running.wait() == -9
    return told
