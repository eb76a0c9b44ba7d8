"""The stages of each kind of build in order, what they read, their settings and fingerprints."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import MappingProxyType
from typing import Any

from pipelines.base.custom_filter import CustomFilters, FilterSource
from pipelines.base.stage import Stage
from pipelines.corrections.correction import Correction, digest
from webbody import commit
from webbody.build_records import given_inputs
from webbody.commit import Record, Records, fingerprint, intact, read_once
from webbody.config import WORKER, BuildConfig, Section, WorkerResources
from webbody.storage import Folder


@dataclass(frozen=True)
class Node:
    """A stage in the graph.

    `code` names its class as `module:Class`, imported only where it runs; `is_global` marks a stage
    that runs once for the build; `of_output` one that runs for each output shard, the others for
    each shard of the plan; `evictable` one whose tars may be removed, `used_up_by` the stages after
    which that may be at once, shard by shard; `reads_images` one that needs such tars; the threads
    of one that is `io_bound` wait for the network instead of computing. The constructor of one that
    `loads` takes seconds, and may need what only its workers have, such as a GPU. `section` names
    its settings, where that is not its own name.
    """

    name: str
    code: str
    is_global: bool = False
    of_output: bool = False
    evictable: bool = False
    used_up_by: tuple[str, ...] = ()
    reads_images: bool = False
    io_bound: bool = False
    loads: bool = False
    section: str = ""

    def stage(self) -> type[Stage[Any]]:
        module, _, name = self.code.partition(":")
        stage: type[Stage[Any]] = getattr(import_module(module), name)
        return stage


PLAN = Node("plan", "pipelines.stages.plan:Plan", is_global=True)
DOWNLOAD = Node(
    "download",
    "pipelines.stages.download:Download",
    evictable=True,
    used_up_by=("persons", "crops"),
    io_bound=True,
    loads=True,
)
PERSONS = Node("persons", "pipelines.stages.persons:Persons", evictable=True, loads=True)
FACES = Node("faces", "pipelines.stages.faces:Faces", loads=True)
FLAGS = Node("flags", "pipelines.stages.flags:Flags")
CLUSTERS = Node("clusters", "pipelines.stages.clusters:Clusters")
IDENTITIES = Node(
    "identities", "pipelines.stages.identities:Identities", is_global=True, loads=True
)
KEYPOINTS = Node("keypoints", "pipelines.stages.keypoints:Keypoints", reads_images=True, loads=True)
SPLIT = Node("split", "pipelines.stages.split:Split", is_global=True)
PACK = Node("pack", "pipelines.stages.pack:Pack", of_output=True, reads_images=True, loads=True)
LEDGER = Node("ledger", "pipelines.stages.ledger:Ledger")

RELEASED = "pipelines.stages.released"
CROPS = Node("crops", f"{RELEASED}.crops:Crops", evictable=True, section="rebuild")

PHOTOS = "pipelines.stages.photos"
QUALITY = Node("quality", f"{PHOTOS}.quality:Quality", reads_images=True)


@dataclass(frozen=True)
class BuildGraph:
    """A kind of build: its steps in order, the first being the plan.

    A step is one stage that looks at the whole build, or a chain of stages that overlap, shard by
    shard.
    """

    steps: tuple[tuple[Node, ...], ...]

    @property
    def stages(self) -> tuple[Node, ...]:
        return tuple(node for step in self.steps for node in step)

    def has(self, name: str) -> bool:
        return any(node.name == name for node in self.stages)

    def downstream(self, nodes: Iterable[Node]) -> list[Node]:
        """These stages and all that read from them, directly or not, in order."""
        names = {node.name for node in nodes}
        for node in self.stages:
            if names & set(node.stage().needs):
                names.add(node.name)
        return [node for node in self.stages if node.name in names]


#: From URLs and names to people.
FROM_NAMES = BuildGraph(
    (
        (PLAN,),
        (DOWNLOAD, PERSONS, FACES, FLAGS, CLUSTERS),
        (IDENTITIES,),
        (KEYPOINTS,),
        (SPLIT,),
        (PACK,),
        (LEDGER,),
    )
)
#: From a release, which says where everybody is: no model, no names.
FROM_RELEASE = BuildGraph(
    (
        (Node("plan", f"{RELEASED}.plan:ReleasedPlan", is_global=True, section="rebuild"),),
        (DOWNLOAD, CROPS),
        (Node("split", f"{RELEASED}.split:ReleasedSplit", is_global=True),),
        (PACK,),
        (Node("ledger", f"{RELEASED}.ledger:ReleasedLedger"),),
    )
)
#: From URLs alone to whole photos of people; packing reads the downloads, which stay until then.
FROM_URLS = BuildGraph(
    (
        (Node("plan", f"{PHOTOS}.plan:PhotoPlan", is_global=True),),
        (
            replace(DOWNLOAD, used_up_by=()),
            Node("persons", f"{PHOTOS}.persons:PhotoPersons", loads=True),
            QUALITY,
        ),
        (Node("split", f"{PHOTOS}.split:PhotoSplit", is_global=True),),
        (
            Node(
                "pack",
                f"{PHOTOS}.pack:PhotoPack",
                of_output=True,
                reads_images=True,
                section="photos",
            ),
        ),
        (Node("ledger", f"{PHOTOS}.ledger:PhotoLedger"),),
    )
)
#: All kinds of builds.
KINDS = (FROM_NAMES, FROM_RELEASE, FROM_URLS)


def graph_of(stages: Iterable[str] | None) -> BuildGraph:
    """The graph whose stages a folder's build.json names; None for those of older versions."""
    names = set(stages or ())
    own = {CROPS.name: FROM_RELEASE, QUALITY.name: FROM_URLS}
    return next((graph for name, graph in own.items() if name in names), FROM_NAMES)


def stages_of(stages: Iterable[str] | None) -> tuple[Node, ...]:
    """The stages that a folder's build.json names, in order: older versions had no flags."""
    asked = None if stages is None else set(stages)
    return tuple(
        node
        for node in graph_of(stages).stages
        if (node is not FLAGS if asked is None else node.name in asked)
    )


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
    corrections: tuple[Correction, ...] = ()
    drop: tuple[str, ...] = ()

    def make(self) -> Stage[Any]:
        """The stage, ready for shards; this loads its models, and the user's filters."""
        filters = CustomFilters(self.filters)  # first, as a mistake in them shows at once
        stage = self.node.stage()(self.settings, self.resources)
        stage.filters = filters
        stage.corrections = self.corrections
        stage.drop = self.drop
        return stage


def tasks(
    config: BuildConfig,
    files: dict[str, tuple[Any, Any]],
    filters: Mapping[str, tuple[FilterSource, ...]] = MappingProxyType({}),
    graph: BuildGraph = FROM_NAMES,
) -> dict[str, StageTask]:
    """The task of every stage of a graph by name.

    `files` maps `stage.field` of settings that name files (models, galleries) to paths and digests:
    paths go into the settings, digests into the fingerprint, so that a moved file changes nothing.
    `filters` are the user's own, by the stage that asks them.
    """
    whole = frozenset(node.name for node in graph.stages if node.is_global)
    out = {}
    for node in graph.stages:
        settings, stage = config.stage(node.section or node.name), node.stage()
        content = settings.deciding()
        for name in content:
            if found := files.get(f"{node.name}.{name}"):
                path, content[name] = found
                settings = settings.model_copy(update={name: path})
        own, needs = filters.get(node.name, ()), stage.needs
        if own:
            content["filters"] = [one.fingerprint for one in own]
            needs += stage.filters_need
        drop = tuple(sorted(set(config.flags.drop))) if node is CLUSTERS else ()
        if drop:  # otherwise all is as it was before there were flags
            content["drop"] = drop
            needs += (FLAGS.name,)
        out[node.name] = StageTask(
            node=node,
            needs=needs,
            fingerprint=fingerprint(content, stage.version),
            settings=settings,
            resources=config.resources.worker(node.name),
            global_needs=whole,
            filters=own,
            drop=drop,
        )
    return out


def input_digests(
    folder: Folder,
    task: StageTask,
    shard: str,
    shards: Iterable[str],
    known: Records | None = None,
) -> dict[str, str] | None:
    """What the stage would read for this shard: `stage/file` -> sha256; None if not all is there.

    `known` saves reading records again while nothing changes (`read_once`).
    """
    read = {} if known is None else known

    def record(stage: str, name: str) -> Record | None:
        return read_once(folder, read, stage, name)

    found = commit.input_digests(task.needs, task.global_needs, shard, shards, record)
    given = given_inputs(task.node.name, {"corrections": digest(task.corrections)})
    return None if found is None else found | given


def is_done(
    folder: Folder,
    task: StageTask,
    shard: str,
    shards: Iterable[str],
    known: Records | None = None,
) -> bool:
    """Whether the shard is committed with these settings and inputs, and its files are there."""
    known = {} if known is None else known
    inputs = input_digests(folder, task, shard, shards, known)
    if inputs is None:
        return False
    record = read_once(folder, known, task.node.name, shard)
    return (
        record is not None and record.matches(task.fingerprint, inputs) and intact(folder, record)
    )
