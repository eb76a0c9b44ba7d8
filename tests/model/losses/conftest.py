"""One run of three processes serves every test of sharding."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.model.losses.ranks import resume, run_ranks, sampled


@dataclass
class Runs:
    """What the ranks found: by the number of ranks that trained, that went on from two, and that
    took a step with sampling.

    A folder has the checkpoint of two ranks.
    """

    trained: dict[int, list[dict[str, Any]]]
    resumed: dict[int, list[dict[str, Any]]]
    sampled: dict[int, list[dict[str, Any]]]
    saved: Path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Training in two and in three processes; what two saved, resumed in one and in three."""
    root = tmp_path_factory.mktemp("runs")
    found = run_ranks(root)
    trained = {2: [rank["2"] for rank in found[:2]], 3: [rank["3"] for rank in found]}
    resumed = {1: [resume(root / "2")], 3: [rank["resumed"] for rank in found]}
    several = {2: [rank["sampled 2"] for rank in found[:2]], 3: [r["sampled 3"] for r in found]}
    return Runs(trained, resumed, {1: [sampled(None)], **several}, root / "2")
