"""Checkpoints of a run: complete or not there, and readable at any number of ranks.

A checkpoint is a folder `step-00001000` with `model/` (as SapiensID.save_pretrained writes it), the
ranks' shards of the classifier, the optimizer's moments of the model by parameter name, and
`state.json`.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from model.checkpoint import read_state_dict
from model.losses import load_shard, save_shard
from model.training.errors import TrainingError
from model.training.trainer import Trainer

PREFIX, PARTIAL = "step-", ".partial"
_MODEL, _MOMENTS, _STATE = "model", "moments.safetensors", "state.json"


def save(
    folder: Path,
    trainer: Trainer,
    steps: int,
    run: dict[str, Any],
    keep: int,
    notes: dict[str, Any] | None = None,
) -> Path:
    """Writes the state after `steps` steps and removes all but the newest `keep` checkpoints.

    Every rank calls it. `run` describes the run: whatever must be equal when it goes on. `notes`
    are for whoever goes on, see `notes`.
    """
    final = folder / f"{PREFIX}{steps:08d}"
    partial = final.with_name(final.name + PARTIAL)
    is_first = trainer.classifier.rank == 0
    state = {"steps": steps, "run": run, "notes": notes or {}}
    with written(final, partial):
        if is_first:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        _wait(trainer)
        weight = trainer.classifier.weight
        save_shard(partial, trainer.classifier, trainer.optimizer.state.get(weight))
        if is_first:
            trainer.model.save_pretrained(partial / _MODEL)
            save_file(_moments(trainer), partial / _MOMENTS)
            (partial / _STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        _wait(trainer)
        if is_first:
            flush(partial)
            shutil.rmtree(final, ignore_errors=True)
            os.replace(partial, final)
    if is_first:
        for old in checkpoints(folder)[:-keep]:
            shutil.rmtree(old)
    _wait(trainer)
    return final


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a folder, the newest last."""
    found = (path for path in folder.glob(f"{PREFIX}*") if path.suffix != PARTIAL)
    return sorted(path for path in found if (path / _STATE).is_file())


def notes(checkpoint: Path) -> dict[str, Any]:
    """What `save` was given as notes."""
    found: dict[str, Any] = _state(checkpoint).get("notes", {})
    return found


def steps_done(checkpoint: Path) -> int:
    """How many steps were done when it was saved."""
    return int(_state(checkpoint)["steps"])


def load(checkpoint: Path, trainer: Trainer, run: dict[str, Any]) -> int:
    """Takes the state of a checkpoint; returns how many steps were done.

    Raises TrainingError where it is of another run, naming what differs, damaged or not complete.
    """
    state = _state(checkpoint)
    differs = [key for key in {**run, **state["run"]} if run.get(key) != state["run"].get(key)]
    if differs:
        told = "; ".join(f"{k}: {state['run'].get(k)} there, {run.get(k)} here" for k in differs)
        raise TrainingError(f"{checkpoint} is of another run ({told})")
    try:
        weights = read_state_dict(checkpoint / _MODEL / "model.safetensors")
        moments = read_state_dict(checkpoint / _MOMENTS)
        classifier = load_shard(checkpoint, trainer.classifier)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{error}; remove {checkpoint} to go on from an older one") from error
    trainer.model.load_state_dict(weights)
    if classifier:
        trainer.optimizer.state[trainer.classifier.weight] = _placed(classifier, trainer)
    for name, parameter in trainer.model.named_parameters():
        own = {key[len(name) + 1 :]: value for key, value in moments.items() if _of(key, name)}
        if own:
            trainer.optimizer.state[parameter] = _placed(own, trainer)
    return int(state["steps"])


def _state(checkpoint: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{checkpoint / _STATE} cannot be read: {error}") from error
    return state


def _moments(trainer: Trainer) -> dict[str, Tensor]:
    state = trainer.optimizer.state
    return {
        f"{name}:{key}": value
        for name, parameter in trainer.model.named_parameters()
        for key, value in state.get(parameter, {}).items()
    }


def _of(key: str, name: str) -> bool:
    return key.startswith(f"{name}:")


def _placed(moments: dict[str, Tensor], trainer: Trainer) -> dict[str, Tensor]:
    return {key: value.to(trainer.device) for key, value in moments.items()}


@contextmanager
def written(final: Path, partial: Path) -> Iterator[None]:
    """Where a folder cannot be written, what there is of it goes; told as a TrainingError."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(
            f"{final} could not be written ({error}); make room and run the same command again to "
            "go on from the newest checkpoint"
        ) from error


def flush(folder: Path) -> None:
    """Files and folder reach the disk before it gets its final name."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _wait(trainer: Trainer) -> None:
    if dist.is_available() and dist.is_initialized():
        dist.barrier(trainer.classifier.group)
