"""Outputs of the authors' metrics (github.com/facebookresearch/sapiens), for two seeds."""

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "golden"
SEEDS = (0, 1)


def arrays(name: str, seed: int) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}_seed{seed}.npz") as file:
        return dict(file)


def poses(points: int, seed: int) -> dict[str, Any]:
    return json.loads((FOLDER / f"oks_{points}_seed{seed}.json").read_text())
