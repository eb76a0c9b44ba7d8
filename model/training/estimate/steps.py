"""The dry run of any kind of run: a few real steps on real samples, what they took, and the whole.

Its weights are thrown away; nothing is written but what reading the data keeps in `out`/cache.
"""

import time
from collections.abc import Mapping
from typing import Any

import torch

from model.training.parts import PutTogether, Say
from model.training.processes import on_device

_WARM, _STEPS = 1, 3
_GIB = 1 << 30


def try_steps(settings: Mapping[str, Any], parts_of: PutTogether, say: Say) -> list[str]:
    """Lines for the user: parameters, steps, and seconds and memory of a step on this process.

    Every rank calls it. Raises WebbodyError.
    """
    with on_device(settings) as device:
        parts = parts_of(settings, device, say)
        trainer, steps = parts.trainer, parts.steps
        count = sum(parameter.numel() for parameter in trainer.model.parameters())
        lines = [parts.description, f"Parameters    {count / 1e6:,.1f} M"]
        tried = list(steps[: _WARM + _STEPS])
        began, waited, loss = 0.0, 0.0, 0.0
        samples = iter(parts.samples(tried))
        for number, step in enumerate(tried):
            if number == min(_WARM, len(tried) - 1):
                _finished(device)
                began, waited = time.monotonic(), 0.0
            asked = time.monotonic()
            batch = next(samples)
            waited += time.monotonic() - asked
            loss = float(trainer.step(step, batch).loss)
        _finished(device)
        counted = max(1, len(tried) - _WARM)
        seconds = (time.monotonic() - began) / counted
        lines.append(
            f"A step        {seconds:.3g} s, of them {waited / counted:.3g} s waiting for samples "
            f"(the first loss is {loss:.3g})"
        )
        if device.startswith("cuda"):
            lines.append(f"Memory        {torch.cuda.max_memory_allocated() / _GIB:.1f} GiB")
        hours = seconds * len(steps) / 3600
        lines.append(f"The run       {len(steps):,} steps, about {hours:,.3g} hours")
        return lines


def _finished(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
