"""What a build that came to its end remembers, and removes from its folder."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from pipelines.base.stage import committed
from pipelines.engine.graph import IDENTITIES, KINDS, SPLIT, BuildGraph
from pipelines.fetching.site_rules import FOLDER as SITES
from pipelines.identity.person_ids import PERSON_IDS
from pipelines.sampling.placement import SHUFFLE
from webbody.commit import ALL, Records, read_record, record_name
from webbody.errors import WebbodyError
from webbody.storage import Folder

#: What stages name their files: the shards of a plan, of the output, and a whole build's.
_OWN = re.compile(
    r"([0-9a-f]{8,64}|all|people|corrections|(train|validation|test)-[0-9]{6,})(\.[a-z]+)?\.(json|parquet|tar|lookup)"
)


def remember(folder: Folder) -> None:
    """Keep the people's ids and the number of shards, from which the next build goes on."""
    for node, name in ((IDENTITIES, PERSON_IDS), (SPLIT, SHUFFLE)):
        record = read_record(folder, node.name, ALL)
        if record is None or name not in record.outputs:  # a build from a release draws no ids
            continue
        content = folder.read(f"{node.name}/{name}")
        if folder.size(name) != len(content) or folder.read(name) != content:
            folder.write_bytes(name, content)


def evict(folder: Folder, graph: BuildGraph, shards: Iterable[str]) -> None:
    """Remove the tars of downloads and crops; their records say that this was on purpose."""
    for node in graph.stages:
        for shard in shards if node.evictable else ():
            _evict(folder, node.name, shard)


def evict_used(folder: Folder, graph: BuildGraph, stage: str, shard: str) -> None:
    """Remove the tars of a shard that this stage was the last to read, while a build runs."""
    for node in graph.stages:
        if stage in node.used_up_by:
            with suppress(WebbodyError):  # it is tried again at the end
                _evict(folder, node.name, shard)


def _evict(folder: Folder, stage: str, shard: str) -> None:
    record = committed(folder, stage, shard)
    gone = tuple(name for name in record.outputs if name.endswith(".tar"))
    if gone != record.evicted:
        folder.write_bytes(record_name(stage, shard), replace(record, evicted=gone).to_json())
    for name in gone:
        if folder.size(f"{stage}/{name}") is not None:  # also one that was left by a kill
            folder.remove(f"{stage}/{name}")


def forget_stale(
    folder: Folder,
    graph: BuildGraph,
    known: Records,
    shards: tuple[str, ...],
    packs: tuple[str, ...],
) -> None:
    """Remove what an older plan or setting left: files of shards that are no more.

    Files that no stage can have written are somebody's own, and stay. `known`: see `read_once`.
    """
    known = dict(known)  # what is removed here is no record of these
    for node in graph.stages:
        if node.is_global:
            current = {f"{ALL}.json", *committed(folder, node.name, ALL, known).outputs}
        else:
            names = packs if node.of_output else shards
            current = set()
            for shard in names:
                current |= {f"{shard}.json", *committed(folder, node.name, shard, known).outputs}
        for name in folder.names(node.name):
            if name not in current and _OWN.fullmatch(name):
                folder.remove(f"{node.name}/{name}")


def forget_kinds(folder: Folder, graph: BuildGraph) -> None:
    """Remove what a build of another kind left: the files that records of its stages list.

    It matters where the folder was turned from a build of people into one that keeps no names.
    """
    for stage in {node.name for kind in KINDS for node in kind.stages if not graph.has(node.name)}:
        for name in folder.names(stage):
            record = read_record(folder, stage, name.removesuffix(".json"))
            if not name.endswith(".json") or record is None:
                continue
            for output in record.outputs:
                if folder.size(f"{stage}/{output}") is not None:
                    folder.remove(f"{stage}/{output}")
            folder.remove(f"{stage}/{name}")


def sweep(folder: Folder, graph: BuildGraph) -> None:
    """Remove what killed writers left half written; only for who alone writes there.

    In an object store files appear whole or not at all.
    """
    if not folder.local:
        return
    sites = [f"{SITES}/{name}" for name in folder.names(SITES)]
    for place in ("", *(node.name for node in graph.stages), *sites):
        for name in folder.temporary_files(place):
            folder.remove(name)
