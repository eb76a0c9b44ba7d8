"""A sharded classifier on disk: one file a rank, read back at any number of ranks.

A file holds the rank's rows of the weight, the margin's statistics, and what the optimizer keeps of
the weight. All ranks write theirs, then wait for each other, before the checkpoint counts.
"""

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.losses.partial_fc import PartialFC, class_range

NAME = "classifier-{rank:05d}-of-{ranks:05d}.safetensors"
MOMENT = "optimizer."


def save_shard(
    folder: str | Path, head: PartialFC, moments: Mapping[str, Tensor] | None = None
) -> Path:
    """Writes this rank's shard into the folder, made if need be, and returns the file's path.

    `moments` is the optimizer's state of the weight, `optimizer.state[head.weight]`: tensors of the
    weight's shape, and scalars. The file appears when complete, or not at all.
    Raises ValueError for a moment of any other shape.
    """
    tensors = {"weight": head.weight.detach(), **_statistics(head)}
    for name, value in (moments or {}).items():
        if not isinstance(value, Tensor) or value.shape not in ((), head.weight.shape):
            raise ValueError(f"{name} is no tensor of the weight's shape and no scalar tensor")
        tensors[MOMENT + name] = value
    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder) / NAME.format(rank=head.rank, ranks=head.ranks)
    partial = path.with_suffix(".partial")
    place = json.dumps(_place(head, head.rank, head.ranks))
    save_file(tensors, partial, {"classifier": place})
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)
    return path


def load_shard(folder: str | Path, head: PartialFC) -> dict[str, Tensor]:
    """Fills the head from a folder of shards; returns its rows of the moments, on the CPU.

    The shards may come from another number of ranks; only the head's own rows are read. A head that
    they do not fit stays as it was.
    Raises FileNotFoundError for a missing shard, ValueError for one that is damaged or of another
    classifier, and for shards that were not saved together.
    """
    paths = _find_shards(Path(folder))
    with ExitStack() as files:
        shards = [files.enter_context(_open(path)) for path in paths]
        for rank, (path, shard) in enumerate(zip(paths, shards, strict=True)):
            _check_place(path, shard, _place(head, rank, len(paths)))
            _check_together(path, shard, shards[0])
        names = shards[0].keys()
        loaded = {name: _own_part(name, shards, head) for name in names}
    with torch.no_grad():
        head.weight.copy_(loaded.pop("weight"))
        for name, buffer in _statistics(head).items():
            buffer.copy_(loaded.pop(name))
    return {name.removeprefix(MOMENT): value for name, value in loaded.items()}


def _statistics(head: PartialFC) -> dict[str, Tensor]:
    return {"batch_mean": head.margin.batch_mean, "batch_std": head.margin.batch_std}


def _place(head: PartialFC, rank: int, ranks: int) -> dict[str, int]:
    """What tells the shard of a rank from every other."""
    start = class_range(head.classes, rank, ranks).start
    place = {"classes": head.classes, "width": head.width, "class_start": start}
    return {**place, "rank": rank, "ranks": ranks}


def _find_shards(folder: Path) -> list[Path]:
    names = {path.name for path in folder.glob("classifier-[0-9]*-of-[0-9]*.safetensors")}
    if not names:
        raise FileNotFoundError(f"no classifier shards in {folder}")
    counts = {int(name.split("-of-")[1].split(".")[0]) for name in names}
    if len(counts) > 1:
        raise ValueError(f"{folder} mixes classifiers of {sorted(counts)} ranks; keep one of them")
    ranks = counts.pop()
    wanted = [NAME.format(rank=rank, ranks=ranks) for rank in range(ranks)]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise FileNotFoundError(f"{folder} lacks {', '.join(missing)}")
    return [folder / name for name in wanted]


def _open(path: Path) -> Any:
    try:
        return safe_open(path, "pt")
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _check_place(path: Path, shard: Any, place: dict[str, int]) -> None:
    about = (shard.metadata() or {}).get("classifier")
    if about is None:
        raise ValueError(f"{path} is no classifier shard")
    if json.loads(about) != place:
        raise ValueError(f"{path} holds {about}, but this classifier needs {json.dumps(place)}")


def _check_together(path: Path, shard: Any, first: Any) -> None:
    # Scalars, such as the optimizer's count of steps, are the same on all ranks of one save.
    if _scalars(shard) != _scalars(first):
        raise ValueError(f"{path} was not saved together with the first shard")


def _scalars(shard: Any) -> dict[str, float | None]:
    """Every tensor's name, with the value where it is a scalar."""
    names = shard.keys()
    is_scalar = {name: not shard.get_slice(name).get_shape() for name in names}
    return {name: shard.get_tensor(name).item() if is_scalar[name] else None for name in names}


def _own_part(name: str, shards: list[Any], head: PartialFC) -> Tensor:
    """The head's rows of a tensor of rows; the first shard's copy of any other."""
    if len(shards[0].get_slice(name).get_shape()) < 2:
        rows: Tensor = shards[0].get_tensor(name)
        return rows
    parts = []
    for rank, shard in enumerate(shards):
        saved = class_range(head.classes, rank, len(shards))
        start, stop = max(saved.start, head.owned.start), min(saved.stop, head.owned.stop)
        if start < stop:
            parts.append(shard.get_slice(name)[start - saved.start : stop - saved.start])
    return torch.cat(parts)
