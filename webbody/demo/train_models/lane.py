"""What the trainers do alike: one command each, their figures in one file, fast arithmetic."""

from __future__ import annotations

import argparse
import fcntl
import importlib
import json
import os
import time
from pathlib import Path
from typing import Any

import torch


def bfloat16() -> torch.autocast:
    """Autocast that halves the time of a step where the CPU has bfloat16; elsewhere idle."""
    native = torch.cpu._is_avx512_bf16_supported()  # without it bfloat16 is emulated, and slow
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=native)


def record(out: Path, name: str, figures: dict[str, Any]) -> None:
    """Set figures.json's entry `name`; safe while other lanes do the same."""
    folder = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        path = out / "figures.json"
        everything = json.loads(path.read_text()) if path.exists() else {}
        everything[name] = figures
        path.write_text(json.dumps(everything, indent=2, sort_keys=True) + "\n")
    finally:
        os.close(folder)  # which also unlocks


def run(name: str, out: Path, fast: bool) -> None:
    """Train one model (`persons`, `faces`, ...) into `out` and record its figures there."""
    started = time.monotonic()

    def log(text: str) -> None:
        print(f"[{name} {time.monotonic() - started:6.0f} s] {text}", flush=True)

    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # lanes run side by side, a core each
    trainer = importlib.import_module(f"webbody.demo.train_models.{name}")
    figures = trainer.train(out, fast, log)
    record(out, name, {**figures, "seconds": round(time.monotonic() - started), "fast": fast})
    log(f"done: {json.dumps(figures)}")


def command(name: str) -> None:
    """Command line of one trainer."""
    parser = argparse.ArgumentParser(prog=f"python -m webbody.demo.train_models.{name}")
    parser.add_argument("--out", type=Path, required=True, help="folder that receives the model")
    parser.add_argument("--fast", action="store_true", help="take less than half the time")
    arguments = parser.parse_args()
    run(name, arguments.out, arguments.fast)
