"""Sapiens models on disk: folders of our own, and published checkpoints."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoint import check_state_dict, read_state_dict
from model.sapiens.masked_autoencoder import MaskedAutoencoder
from model.sapiens.positions import resampled
from model.sapiens.published import config_of, from_published, is_published
from model.sapiens.sizes import EncoderSize
from model.sapiens.task_model import SapiensModel
from webbody.errors import WebbodyError
from webbody.json_text import parse_json

CONFIG, WEIGHTS = "model.json", "model.safetensors"
_FAMILY, _PRETRAINING = "sapiens", "pretraining"
#: What the configuration is called in the header of a file of weights.
_METADATA = "webbody_model"
SapiensKind = SapiensModel | MaskedAutoencoder


def save(model: SapiensKind, folder: Path) -> None:
    """Write a model's configuration and weights into a folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    task = {} if isinstance(model, SapiensModel) else {"task": _PRETRAINING}
    text = json.dumps({"family": _FAMILY, **task, **model.config}, indent=2)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    # In the file of the weights, too, which is then enough where a model is one file.
    save_file(state, folder / WEIGHTS, {_METADATA: text})


def load(path: str | Path, task: str | None = None, **arguments: Any) -> SapiensModel:
    """The model of a task from a folder that `save` wrote, or from a published checkpoint.

    `arguments`: of the configuration that a checkpoint does not tell, such as `patch_padding` or
    `size`. Raises WebbodyError, also where it is a model of another task.
    """
    model = load_any(path, **arguments)
    if isinstance(model, MaskedAutoencoder):
        raise WebbodyError(
            f"{path} is a pretrained encoder without a task's head: train one with "
            "`webbody sapiens finetune --from`"
        )
    if task is not None and model.task.name != task:
        raise WebbodyError(f"{path} is a Sapiens model for {model.task.name}, not for {task}")
    return model


def load_any(path: str | Path, **arguments: Any) -> SapiensKind:
    """A task's model or a masked autoencoder, in float32, ready for predictions."""
    path = Path(path)
    try:
        config, state = read(path)
        config = {**config, **arguments}
        if config["task"] == "encoder":
            raise WebbodyError(
                f"{path} is an encoder alone: train a head with `webbody sapiens finetune --from`"
            )
        with torch.device("meta"):
            model = _built(config)
        check_state_dict(state, model.state_dict(), path)
    except (TypeError, ValueError, KeyError, AttributeError, OSError) as error:
        raise WebbodyError(" ".join(str(error).split())) from error
    model.load_state_dict(state, assign=True)
    return model.float().eval()


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and state dict, with our keys, of a folder or file that `save` wrote, or of a
    published checkpoint.

    Raises OSError or ValueError.
    """
    if path.is_dir():
        return _config(path), read_state_dict(path / WEIGHTS)
    state = read_state_dict(path)
    if text := _header(path).get(_METADATA):
        return _checked(parse_json(text), path), state
    if not is_published(state):
        raise ValueError(f"{path} is no Sapiens checkpoint: its keys are of another model")
    state = from_published(state)
    try:
        return config_of(state), state
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def digest_of(path: str) -> str:
    """sha256 of the weights that `start_from` takes from a path; "" where there is no path."""
    if not path:
        return ""
    place = Path(path)
    with (place / WEIGHTS if place.is_dir() else place).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def start_from(model: SapiensModel, path: str | Path) -> list[str]:
    """Put a pretrained encoder's weights into a model; returns what was left out or resampled.

    `path`: a folder of pretraining or of another task's model, or a published checkpoint. Positions
    are resampled for the model's grid. Raises WebbodyError where it is of another size; a head is
    taken only where it is of the same task and size.
    """
    path = Path(path)
    try:
        config, state = read(path)
    except (OSError, ValueError) as error:
        raise WebbodyError(" ".join(str(error).split())) from error
    source, own = EncoderSize(**config["size"]), model.encoder.size
    if source != own:
        raise WebbodyError(
            f"{path} is an encoder of width {source.width}, {source.depth} layers and "
            f"{source.heads} heads; this model has {own.width}, {own.depth} and {own.heads}: "
            "choose the same size"
        )
    told = []
    has_class = "encoder.cls_token" in state
    height, width = config["image_size"] if "image_size" in config else [config["side"]] * 2
    positions = resampled(
        state["encoder.pos_embed"],
        (height // 16, width // 16),
        model.encoder.grid,
        class_token=has_class,
    )
    if has_class and not model.encoder.has_class_token:
        positions = positions[:, 1:]
        told.append("the class token is left out")
    if (height // 16, width // 16) != model.encoder.grid:
        rows, columns = model.encoder.grid
        told.append(
            f"positions are resampled from {height // 16} x {width // 16} patches to "
            f"{rows} x {columns}"
        )
    given = {**state, "encoder.pos_embed": positions}
    padding = config.get("patch_padding", 0)
    if padding != model.encoder.patch_padding:
        told.append(
            f"it was trained with a patch padding of {padding}, and goes on with "
            f"{model.encoder.patch_padding}"
        )
    expected = model.state_dict()
    same_head = config["task"] == model.task.name and all(
        key in given and given[key].shape == value.shape
        for key, value in expected.items()
        if key.startswith("head.")
    )
    begin = ("encoder.", "head.") if same_head else ("encoder.",)
    wanted = {key: value for key, value in expected.items() if key.startswith(begin)}
    given = {key: value for key, value in given.items() if key in wanted}
    try:
        check_state_dict(given, wanted, path)
    except ValueError as error:
        raise WebbodyError(" ".join(str(error).split())) from error
    model.load_state_dict(given, strict=False)
    if same_head:
        told.append("its head is taken, too")
    return told


def _built(config: Mapping[str, Any]) -> SapiensKind:
    arguments = {key: value for key, value in config.items() if key not in ("family", "task")}
    arguments["size"] = EncoderSize(**arguments["size"])
    if config["task"] == _PRETRAINING:
        if "decoder" in arguments:
            arguments["decoder"] = EncoderSize(**arguments["decoder"])
        return MaskedAutoencoder(**arguments)
    arguments["image_size"] = tuple(arguments["image_size"])
    return SapiensModel(config["task"], **arguments)


def _config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG
    if not file.is_file():
        raise FileNotFoundError(f"no model at {folder}: it holds no {CONFIG}")
    return _checked(parse_json(file.read_text(encoding="utf-8")), file)


def tells_its_configuration(path: str | Path) -> bool:
    """Whether `save` wrote a folder or file; what published files leave out is assumed."""
    return Path(path).is_dir() or _METADATA in _header(Path(path))


def _header(path: Path) -> dict[str, str]:
    if path.suffix != ".safetensors":
        return {}
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})


def _checked(config: Any, file: Path) -> dict[str, Any]:
    if not isinstance(config, dict) or config.get("family") != _FAMILY:
        raise ValueError(f"{file} describes no Sapiens model")
    if not re.fullmatch("[a-z]+", str(config.get("task"))):
        raise ValueError(f"{file} names no task")
    return config
