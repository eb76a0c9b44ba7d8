"""Reading published weights without running pickled code; all mismatches are reported at once."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors, on the CPU, of a .safetensors file or of a torch file that holds nothing else.

    A torch file may hold them under `state_dict`, beside what is told of its training.

    Raises FileNotFoundError, or ValueError for a file that is damaged or holds anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is no readable weights file: {reason}") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    is_mapping = isinstance(state, Mapping)
    if not is_mapping or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} is no state dict: expected a mapping from names to tensors")
    return dict(state)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    # An optional dependency: torch files are read without it.
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is no readable weights file: {error}") from error


def check_state_dict(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: str | Path
) -> None:
    """Raises one ValueError listing every missing, unexpected and misshapen key of `state`."""
    problems = [f"missing {key}" for key in expected if key not in state]
    problems += [f"unexpected {key}" for key in state if key not in expected]
    problems += [
        f"{key} is {tuple(state[key].shape)}, expected {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]
    if problems:
        raise ValueError(f"{path} does not fit the model:\n  " + "\n  ".join(problems))
