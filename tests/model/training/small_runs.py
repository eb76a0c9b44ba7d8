"""Settings of a run that takes seconds, on small shards."""

from pathlib import Path
from typing import Any

from tests.model.training.small_shards import members
from tests.written_shards import write_shard
from webbody.train_config import TrainConfig

SIDE = 96
MODEL = {"depth": 1, "width": 32, "heads": 2, "feature_dim": 16, "image_size": SIDE}


def write_people(folder: Path, shards: int = 3, per_shard: int = 16) -> str:
    """Two pictures of each person."""
    for shard in range(shards):
        numbers = range(shard * per_shard, (shard + 1) * per_shard)
        samples = [members(number, (SIDE, SIDE)) for number in numbers]
        write_shard(folder / f"train-{shard:03}.tar", *samples)
    return str(folder)


def settings(data: str, out: Path, /, **sections: dict[str, Any]) -> dict[str, Any]:
    """As `webbody train` passes them on; 15 steps of 4 to 12 of 48 samples."""
    chosen: dict[str, dict[str, Any]] = {
        "data": {"sources": (data,)},
        "model": {"preset": "tiny", "arguments": MODEL},
        "tokens": {"min": 40, "max": 110},
        "optimization": {
            "epochs": 2, "warmup_epochs": 0.2, "batch": 12, "batch_multiple": 2,
            "learning_rate": 1e-3,
        },
        "resources": {"workers": 0, "log_seconds": 1e-3, "checkpoint_steps": 2},
    }  # fmt: skip
    merged = {name: {**chosen.get(name, {}), **sections.get(name, {})} for name in chosen}
    return TrainConfig(out=str(out), **{**sections, **merged}).model_dump()
