"""How the work is spread over machines; nothing here changes the output."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from webbody.config.section import Count, Section


@dataclass(frozen=True)
class WorkerResources:
    """What a stage in a worker may use: device (auto, cpu or cuda), items in a batch, threads.

    free_disk: bytes that stay free on the disks that it writes to.
    """

    device: str = "auto"
    batch: int = 32
    threads: int = 1
    free_disk: int = 0


#: What a worker has if nothing else is said.
WORKER = WorkerResources()


class StageResources(Section):
    """What one stage may use; changes speed, never results."""

    workers: tuple[int, int] = Field((1, 2), description="least and most worker processes")
    cpus: float = Field(
        0.5, ge=0, description="CPUs that Ray reserves for a worker (fractions allowed)"
    )
    gpus: float = Field(0, ge=0, description="GPUs that Ray reserves for a worker")
    batch: Count = Field(32, description="items in one call of the model")
    threads: Count = Field(
        1, description="threads of a worker (connections at a time for download)"
    )


class Resources(Section):
    """How the work is spread; none of it changes the output."""

    renamed: ClassVar[Mapping[str, str]] = {"let_go": "evict"}

    ray_address: str | None = Field(
        None, description="address of a Ray cluster; none starts a local Ray"
    )
    cpus: int | None = Field(None, ge=1, description="CPUs of the local Ray (default: all)")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where models run")
    retries: int = Field(2, ge=0, description="further tries for a shard whose worker process died")
    restarts: int = Field(
        5,
        ge=0,
        description="how often Ray is started or joined again after it was lost and before a shard "
        "was finished",
    )
    evict: bool = Field(
        False, description="remove downloaded images and crops once all their consumers committed"
    )
    free_disk: int = Field(
        1_000_000_000,
        ge=0,
        description="bytes that stay free on the disks that are written to: a shard waits for "
        "room, and fails after 10 minutes",
    )
    wandb: str = Field(
        "",
        description="project at Weights & Biases that gets the build's figures, no names and no "
        "pictures; '': nothing is sent",
    )
    download: StageResources = StageResources(threads=32, cpus=0.25)
    persons: StageResources = StageResources()
    faces: StageResources = StageResources()
    flags: StageResources = StageResources(cpus=0.25)
    clusters: StageResources = StageResources(workers=(1, 4), cpus=0.25)
    identities: StageResources = StageResources(workers=(1, 1), cpus=1)
    keypoints: StageResources = StageResources()
    quality: StageResources = StageResources()
    crops: StageResources = StageResources()
    split: StageResources = StageResources(workers=(1, 1), cpus=1)
    pack: StageResources = StageResources(workers=(1, 4))
    ledger: StageResources = StageResources(workers=(1, 4), cpus=0.25)

    def worker(self, stage: str) -> WorkerResources:
        """What a worker of a stage may use; a stage without settings here has one thread."""
        own: StageResources = getattr(self, stage, StageResources())
        return WorkerResources(self.device, own.batch, own.threads, self.free_disk)
