"""What `webbody train --dry-run` prints."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.training.estimate.dry_run import TrainingEstimate


def lines(found: "TrainingEstimate") -> list[str]:
    """The lines, a topic each."""
    model = sum(found.parameters.values())
    parts = ", ".join(f"{name} {_short(count)}" for name, count in found.parameters.items())
    several = f", one of {found.ranks}" if found.ranks > 1 else ""
    return [
        f"Model         {_short(model)} parameters ({parts})",
        f"Classifier    {_short(found.classifier)} parameters in this process{several}, "
        f"{found.people:,} people in all",
        f"Steps         {found.steps:,} of {found.images / found.steps:,.0f} images on average, "
        f"{found.images:,} in all; {found.tokens:.0f} tokens an image",
        *_memory(found),
        f"Checkpoint    {_size(found.checkpoint)}",
        _time(found),
    ]


def _memory(found: "TrainingEstimate") -> list[str]:
    memory = found.memory
    parts = [
        f"weights {_size(memory.weights)}",
        f"gradients {_size(memory.gradients)}",
        f"AdamW {_size(memory.moments)}",
    ]
    if memory.activations is not None:
        parts.append(f"activations {_size(memory.activations)}")
    text = "about" if memory.activations is not None else "more than"
    return [
        f"Memory        {text} {_size(memory.total)} a process on {found.device}, with batches of "
        f"up to {found.largest:,} ({', '.join(parts)})",
        f"              {_size(memory.free)} free now, beside the weights",
    ]


def _time(found: "TrainingEstimate") -> str:
    speed = found.speed
    if speed is None:
        return "Time          not measured: a step does not fit into the memory that is free"
    return (
        f"Time          about {duration(speed.total)} without validation, on this machine: "
        f"{found.images / speed.total:,.0f} images/s (loading alone {speed.loading:,.0f}), "
        f"{speed.step:.2g} s a step"
    )


def duration(seconds: float) -> str:
    """Days and hours down to seconds, two units at most."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _short(count: int) -> str:
    """1.3 M, 12 k, 128."""
    if count >= 1e6:
        return f"{count / 1e6:,.1f} M"
    return f"{count / 1e3:.0f} k" if count >= 1e4 else str(count)


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
