"""The stages of a build in order, what each reads, and the settings each is fingerprinted by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

from pipelines.base.custom_filter import CustomFilters, FilterSource
from pipelines.base.stage import Stage
from webbody import commit
from webbody.commit import Record, fingerprint, intact, read_record
from webbody.config import WORKER, BuildConfig, Section, WorkerResources
from webbody.storage import Folder

#: Commit records by stage and shard, kept while nothing changes.
Records = dict[tuple[str, str], Record | None]


@dataclass(frozen=True)
class Node:
    """A stage in the graph.

    `code` names its class as `module:Class`, imported only where it runs; `is_global` marks a stage
    that runs once for the build; `evictable` one whose tars may be removed; the threads of one that
    is `io_bound` wait for the network instead of computing. The constructor of one that `loads`
    takes seconds, and may need what only its workers have, such as a GPU.
    """

    name: str
    code: str
    is_global: bool = False
    evictable: bool = False
    io_bound: bool = False
    loads: bool = False

    def stage(self) -> type[Stage[Any]]:
        module, _, name = self.code.partition(":")
        stage: type[Stage[Any]] = getattr(import_module(module), name)
        return stage


PLAN = Node("plan", "pipelines.stages.plan:Plan", is_global=True)
DOWNLOAD = Node(
    "download", "pipelines.stages.download:Download", evictable=True, io_bound=True, loads=True
)
PERSONS = Node("persons", "pipelines.stages.persons:Persons", evictable=True, loads=True)
FACES = Node("faces", "pipelines.stages.faces:Faces", loads=True)
CLUSTERS = Node("clusters", "pipelines.stages.clusters:Clusters")
IDENTITIES = Node(
    "identities", "pipelines.stages.identities:Identities", is_global=True, loads=True
)
KEYPOINTS = Node("keypoints", "pipelines.stages.keypoints:Keypoints", loads=True)
SPLIT = Node("split", "pipelines.stages.split:Split", is_global=True)
PACK = Node("pack", "pipelines.stages.pack:Pack")
LEDGER = Node("ledger", "pipelines.stages.ledger:Ledger")

STAGES = (
    PLAN, DOWNLOAD, PERSONS, FACES, CLUSTERS, IDENTITIES, KEYPOINTS, SPLIT, PACK, LEDGER,
)  # fmt: skip

#: Chains of per-shard stages that overlap, between the stages that look at the whole build.
CHAINS = ((DOWNLOAD, PERSONS, FACES, CLUSTERS), (KEYPOINTS,), (PACK,), (LEDGER,))


def downstream(nodes: Iterable[Node]) -> list[Node]:
    """These stages and all that read from them, directly or not, in order."""
    names = {node.name for node in nodes}
    for node in STAGES:
        if names & set(node.stage().needs):
            names.add(node.name)
    return [node for node in STAGES if node.name in names]


@dataclass(frozen=True)
class StageTask:
    """A stage with everything a worker needs to run it: settings, resources and fingerprint."""

    node: Node
    needs: tuple[str, ...]
    fingerprint: str
    settings: Section = field(default_factory=Section)
    resources: WorkerResources = WORKER
    global_needs: frozenset[str] = field(default_factory=frozenset)
    filters: tuple[FilterSource, ...] = ()

    def make(self) -> Stage[Any]:
        """The stage, ready for shards; this loads its models, and the user's filters."""
        filters = CustomFilters(self.filters)  # first, as a mistake in them shows at once
        stage = self.node.stage()(self.settings, self.resources)
        stage.filters = filters
        return stage


def tasks(
    config: BuildConfig,
    files: dict[str, tuple[Any, Any]],
    filters: Mapping[str, tuple[FilterSource, ...]] = MappingProxyType({}),
) -> dict[str, StageTask]:
    """Every stage's task by name.

    `files` maps `stage.field` of settings that name files (models, galleries) to paths and digests:
    paths go into the settings, digests into the fingerprint, so that a moved file changes nothing.
    `filters` are the user's own, by the stage that asks them.
    """
    whole = frozenset(node.name for node in STAGES if node.is_global)
    out = {}
    for node in STAGES:
        settings, stage = config.stage(node.name), node.stage()
        content = settings.model_dump(mode="json")
        for name in content:
            if found := files.get(f"{node.name}.{name}"):
                path, content[name] = found
                settings = settings.model_copy(update={name: path})
        own, needs = filters.get(node.name, ()), stage.needs
        if own:
            content["filters"] = [one.fingerprint for one in own]
            needs += stage.filters_need
        out[node.name] = StageTask(
            node=node,
            needs=needs,
            fingerprint=fingerprint(content, stage.version),
            settings=settings,
            resources=config.resources.worker(node.name),
            global_needs=whole,
            filters=own,
        )
    return out


def input_digests(
    folder: Folder,
    task: StageTask,
    shard: str,
    shards: Iterable[str],
    cache: Records | None = None,
) -> dict[str, str] | None:
    """What the stage would read for this shard: `stage/file` -> sha256; None if not all is there.

    `cache` (stage, shard) -> record saves reading records again while nothing changes.
    """
    cache = {} if cache is None else cache

    def record(stage: str, name: str) -> Record | None:
        if (stage, name) not in cache:
            cache[stage, name] = read_record(folder, stage, name)
        return cache[stage, name]

    return commit.input_digests(task.needs, task.global_needs, shard, shards, record)


def is_done(
    folder: Folder,
    task: StageTask,
    shard: str,
    shards: Iterable[str],
    cache: Records | None = None,
) -> bool:
    """Whether the shard is committed with these settings and inputs, and its files are there."""
    cache = {} if cache is None else cache
    inputs = input_digests(folder, task, shard, shards, cache)
    if inputs is None:
        return False
    key = (task.node.name, shard)
    if key not in cache:
        cache[key] = read_record(folder, *key)
    record = cache[key]
    return (
        record is not None and record.matches(task.fingerprint, inputs) and intact(folder, record)
    )
