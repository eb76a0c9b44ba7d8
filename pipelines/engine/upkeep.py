"""What a build that came to its end remembers, and removes from its folder."""

from collections.abc import Iterable

from pipelines.base.stage import committed
from pipelines.engine.graph import IDENTITIES, SPLIT, BuildGraph
from pipelines.identity.person_ids import PERSON_IDS
from pipelines.sampling.placement import SHUFFLE
from webbody.commit import ALL, Record, read_record, record_name
from webbody.storage import Folder


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
            record = committed(folder, node.name, shard)
            gone = tuple(name for name in record.outputs if name.endswith(".tar"))
            if gone == record.evicted:
                continue
            record = Record(**{**record.__dict__, "evicted": gone})
            folder.write_bytes(record_name(node.name, shard), record.to_json())
            for name in gone:
                folder.remove(f"{node.name}/{name}")


def forget_stale(
    folder: Folder, graph: BuildGraph, shards: tuple[str, ...], packs: tuple[str, ...]
) -> None:
    """Remove what an older plan or setting left: files of shards that are no more."""
    for node in graph.stages:
        if node.is_global:
            current = set(committed(folder, node.name, ALL).outputs) | {f"{ALL}.json"}
        else:
            names = packs if node.of_output else shards
            current = {"index.json", "README.md"} if node.of_output else set()
            for shard in names:
                current |= {f"{shard}.json", *committed(folder, node.name, shard).outputs}
        for name in folder.names(node.name):
            if name not in current:
                folder.remove(f"{node.name}/{name}")
