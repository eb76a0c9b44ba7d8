"""SapiensID on disk: folders of our own, and the authors' state dicts."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from model.checkpoint import check_state_dict, read_state_dict
from model.sapiensid import authors
from model.sapiensid.regions import Region
from webbody.json_text import parse_json

if TYPE_CHECKING:
    from model.sapiensid.sapiensid import SapiensID

CONFIG, WEIGHTS = "model.json", "model.safetensors"


def save(model: "SapiensID", folder: Path) -> None:
    """Writes the model's arguments and weights into a folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    arguments = {**model.config, "regions": [asdict(region) for region in model.regions]}
    (folder / CONFIG).write_text(json.dumps(arguments, indent=2) + "\n", encoding="utf-8")
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / WEIGHTS)


def load(kind: "type[SapiensID]", path: Path) -> "SapiensID":
    """The model of a folder that `save` wrote, or of a file with the authors' state dict."""
    # Models are built without memory first, so that a wrong file is told before anything is
    # allocated.
    if path.is_dir():
        return _load_folder(kind, path)
    state = read_state_dict(path)
    try:
        with torch.device("meta"):
            model = kind(**authors.sizes(state))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    table_SSD = model.positions.table_SSD
    check_state_dict(state, authors.to_authors(model.state_dict(), table_SSD), path)
    stored_ND = state[authors.POSITIONS][0, 1:].float()
    if not torch.allclose(stored_ND, table_SSD.flatten(0, 1), atol=1e-4):
        raise ValueError(f"{path}: {authors.POSITIONS} is not the sine-cosine table")
    model.load_state_dict(authors.from_authors(state), assign=True)
    return model.float().eval()


def _load_folder(kind: "type[SapiensID]", folder: Path) -> "SapiensID":
    config = folder / CONFIG
    if not config.is_file():
        raise FileNotFoundError(f"no model at {folder}: it holds no {CONFIG}")
    state = read_state_dict(folder / WEIGHTS)
    try:
        arguments = parse_json(config.read_text(encoding="utf-8"))
        if arguments.get("family"):
            raise ValueError(f"it is a {arguments['family']}, not SapiensID")
        regions = tuple(_region(region) for region in arguments.pop("regions"))
        with torch.device("meta"):
            model = kind(**arguments, regions=regions)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{config} describes no model: {error}") from error
    check_state_dict(state, model.state_dict(), folder)
    model.load_state_dict(state, assign=True)
    return model.float().eval()


def _region(arguments: dict[str, Any]) -> Region:
    lists = {key: tuple(value) for key, value in arguments.items() if isinstance(value, list)}
    return Region(**{**arguments, **lists})
