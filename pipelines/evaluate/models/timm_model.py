"""Models of timm (PyTorch Image Models), with its pretrained weights or those of a file."""

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from pipelines.evaluate.models.network import Network, user_errors
from webbody.errors import WebbodyError
from webbody.library_environment import quiet_libraries


def open_timm(name: str, weights: str | None, size: tuple[int, int] | None) -> Network:
    """The model without its classifier, and the pictures that timm knows it to expect.

    weights: a file with the model's state, read without unpickling anything else; None takes those
    that timm fetches. size: height and width, where they are not those of the model. Raises
    WebbodyError for what a user can fix.
    """
    quiet_libraries()
    try:
        import timm
        from timm.data.config import resolve_model_data_config
    except ImportError as error:
        raise WebbodyError(f"timm:{name}: needs timm: pip install 'webbody[compare]'.") from error
    if ":" not in name and not timm.is_model(name):
        raise WebbodyError(
            f"timm:{name}: timm {timm.__version__} has no such model; timm.list_models() has names."
        )
    advice = f"go where there is a network, or give a file with weights, timm:{name}@FILE"
    with user_errors(f"timm:{name}: cannot be had", advice):
        model: Any = timm.create_model(name, pretrained=weights is None, num_classes=0)
    expected = resolve_model_data_config(model)
    own = tuple(expected["input_size"][1:])
    if size not in (None, own) and hasattr(model, "set_input_size"):
        # Convolutions take any size; position embeddings are made for one.
        with user_errors(f"timm:{name}: cannot take images of {size}", "give another size"):
            model.set_input_size(img_size=size)
    if weights is not None:
        with user_errors(f"{weights}: has no weights of {name}", "check both"):
            load_weights(model, weights)
    return Network(
        model,
        state_digest(model),
        {"timm": name, "library": timm.__version__},
        size or own,
        tuple(expected["mean"]),
        tuple(expected["std"]),
        "bicubic" if expected["interpolation"] == "bicubic" else "bilinear",
    )


def load_weights(model: nn.Module, path: str) -> None:
    """Every tensor of the model from a file, which may have a classifier beside them.

    Raises ValueError where tensors are missing or left over, RuntimeError for other shapes and for
    files that timm does not read.
    """
    from timm.models import load_state_dict

    state = load_state_dict(path)
    classifiers: Any = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    if isinstance(classifiers, str):
        classifiers = (classifiers,)
    found = model.load_state_dict(state, strict=False)
    extra = [key for key in found.unexpected_keys if key.rpartition(".")[0] not in classifiers]
    for what, keys in (("lacks", found.missing_keys), ("has besides", extra)):
        if keys:
            raise ValueError(f"it {what} {len(keys):,} tensors, the first is {keys[0]}")


def state_digest(model: nn.Module) -> str:
    """sha256 of a model's tensors and their names: that of weights, whatever file they are from."""
    found = hashlib.sha256()
    state: dict[str, Tensor] = model.state_dict()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
