"""Checkpoints of a run: written atomically, readable at any number of ranks.

A checkpoint is a folder `step-00001000` with `model/` (as its users load it), what else a trainer
has (SapiensID's: the ranks' shards of the classifier), the optimizer's moments of the model by
parameter name, and `state.json`, which has the sha256 of all of them.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from model.checkpoint import check_state_dict, read_state_dict
from model.folder_writing import all_or_nothing, first_problem, put_in_place
from model.training.steps.base import BaseTrainer
from webbody.checked_json import checked_json, is_altered
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.redaction import redacted_json

#: What runs train that name no model.
_UNNAMED = "SapiensID or Sapiens"
PREFIX, PARTIAL = "step-", ".partial"
#: What `state.json` holds; the files' digests are missing in older ones.
_KINDS = {"steps": int, "run": dict, "notes": dict, "files": dict}
_HASHING = 4  # threads; the disk is soon what they wait for
_MODEL, _MOMENTS, _STATE = "model", "moments.safetensors", "state.json"
#: Names that settings of a run had in older checkpoints.
_RENAMED = {
    "tokens.least": "tokens.min",
    "tokens.most": "tokens.max",
    "optimization.rate": "optimization.learning_rate",
    "optimization.clip": "optimization.max_grad_norm",
    "optimization.classes_in_use": "optimization.sample_rate",
}


def save(
    folder: Path,
    trainer: BaseTrainer,
    steps: int,
    run: dict[str, Any],
    keep: int,
    notes: dict[str, Any] | None = None,
) -> Path:
    """Writes the state after `steps` steps and removes all but the newest `keep` checkpoints.

    Every rank calls it. `run` describes the run: whatever must be equal when it goes on. `notes`
    are for whoever goes on, see `notes`. Raises WebbodyError, on every rank, where it cannot be
    written on one; then the checkpoints before stay as they are.
    """
    final = folder / f"{PREFIX}{steps:08d}"
    partial = final.with_name(final.name + PARTIAL)
    is_first, group = trainer.rank == 0, trainer.group
    with all_or_nothing(final, partial, group):
        if is_first:
            for unfinished in folder.glob(f"{PREFIX}*{PARTIAL}"):
                shutil.rmtree(unfinished)
            partial.mkdir(parents=True)
    with all_or_nothing(final, partial, group):
        trainer.save_rest(partial)
        if is_first:
            trainer.save_model(partial / _MODEL)
            save_file(_moments(trainer), partial / _MOMENTS)
    with all_or_nothing(final, partial, group):
        if is_first:
            state = {"steps": steps, "run": run, "notes": notes or {}, "files": _digests(partial)}
            (partial / _STATE).write_bytes(checked_json(state))
            put_in_place(partial, final)
            for old in checkpoints(folder)[:-keep]:
                # A kill on the way leaves none that looks complete.
                shutil.rmtree(old.replace(old.with_name(old.name + PARTIAL)), ignore_errors=True)
    return final


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a folder, the newest last."""
    found = (path for path in folder.glob(f"{PREFIX}*") if path.name[len(PREFIX) :].isdigit())
    return sorted(path for path in found if (path / _STATE).is_file())


def notes(checkpoint: Path) -> dict[str, Any]:
    """What `save` was given as notes."""
    return dict(_state(checkpoint)["notes"])


def steps_done(checkpoint: Path) -> int:
    """How many steps were done when it was saved."""
    return int(_state(checkpoint)["steps"])


def load(checkpoint: Path, trainer: BaseTrainer, run: dict[str, Any]) -> int:
    """Takes the state of a checkpoint; returns how many steps were done.

    Raises WebbodyError where it is of another run, naming what differs, damaged or not complete.
    """
    state = _state(checkpoint)
    saved = {_RENAMED.get(key, key): value for key, value in state["run"].items()}
    run = redacted_json(run)
    kind, own = (about.get("model", _UNNAMED) for about in (saved, run))
    if kind != own:
        raise WebbodyError(
            f"{checkpoint} is of another model ({kind} there, {own} here): take the preset that it "
            "was started with, or another --out"
        )
    differs = [key for key in {**run, **saved} if run.get(key) != saved.get(key)]
    if differs:
        differences = "; ".join(f"{k}: {saved.get(k)} there, {run.get(k)} here" for k in differs)
        raise WebbodyError(f"{checkpoint} is of another run ({differences})")
    path = checkpoint / _MODEL / "model.safetensors"
    with _damage_as_user_error(checkpoint):
        _verify(checkpoint, state.get("files", {}), trainer)
        weights = read_state_dict(path)
        check_state_dict(weights, trainer.model.state_dict(), path)
        moments = read_state_dict(checkpoint / _MOMENTS)
        trainer.load_rest(checkpoint)
    trainer.model.load_state_dict(weights)
    for name, parameter in trainer.model.named_parameters():
        own = {key[len(name) + 1 :]: value for key, value in moments.items() if _of(key, name)}
        if own:
            trainer.optimizer.state[parameter] = _placed(own, trainer)
    return int(state["steps"])


def _state(checkpoint: Path) -> dict[str, Any]:
    """Steps, run, notes and, but for those of older versions, the digests of the files."""
    with _damage_as_user_error(checkpoint):
        data = (checkpoint / _STATE).read_bytes()
        state: dict[str, Any] = parse_json(data)
        if not isinstance(state, dict):
            raise ValueError(f"{checkpoint / _STATE} is none of a checkpoint")
        kinds = {name: type(value) for name, value in {"files": {}, **state}.items()}
        if any(kinds.get(name) is not kind for name, kind in _KINDS.items()):
            raise ValueError(f"{checkpoint / _STATE} is none of a checkpoint")
        if is_altered(data, state):
            raise ValueError(f"{_STATE} was changed after it was written")
        return state


def _digests(folder: Path) -> dict[str, str]:
    """sha256 of every file in a folder, by its name in it; on several cores."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(_HASHING) as pool:
        return {
            str(path.relative_to(folder)): digest
            for path, digest in zip(files, pool.map(_sha256, files), strict=True)
        }


def _verify(checkpoint: Path, files: Mapping[str, str], trainer: BaseTrainer) -> None:
    """ValueError, on every rank, where a file is not the one that was written.

    Each rank looks at its share of them, so that the folder is read once.
    """
    own = sorted(files)[trainer.rank :: trainer.ranks]
    problem = None
    try:
        with ThreadPoolExecutor(_HASHING) as pool:
            found = pool.map(_sha256, [checkpoint / name for name in own])
            same = [files[name] == digest for name, digest in zip(own, found, strict=True)]
        if not all(same):
            problem = f"{own[same.index(False)]} was changed after it was written"
    except OSError as error:
        problem = str(error)
    if told := first_problem(problem, trainer.group):
        raise ValueError(told)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _damage_as_user_error(checkpoint: Path) -> Iterator[None]:
    """Raise WebbodyError for a damaged checkpoint; an older one is never taken silently."""
    try:
        yield
    except (OSError, ValueError) as error:
        older = [path.name for path in checkpoints(checkpoint.parent) if path < checkpoint]
        remedy = f"go on from {older[-1]}" if older else "begin anew"
        reason = " ".join(str(error).split())
        raise WebbodyError(f"{checkpoint} is damaged ({reason}); remove it to {remedy}") from error


def _moments(trainer: BaseTrainer) -> dict[str, Tensor]:
    state = trainer.optimizer.state
    return {
        f"{name}:{key}": value
        for name, parameter in trainer.model.named_parameters()
        for key, value in state.get(parameter, {}).items()
    }


def _of(key: str, name: str) -> bool:
    return key.startswith(f"{name}:")


def _placed(moments: dict[str, Tensor], trainer: BaseTrainer) -> dict[str, Tensor]:
    return {key: value.to(trainer.device) for key, value in moments.items()}
