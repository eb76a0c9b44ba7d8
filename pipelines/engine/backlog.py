"""What is still to be done for a build: which shard goes through which stages."""

from collections.abc import Mapping

from pipelines.base.stage import committed
from pipelines.engine.graph import CLUSTERS, DOWNLOAD, FACES, FLAGS, Node, StageTask, is_done
from pipelines.engine.rows import Row, row_of
from pipelines.fetching.retry import RetryRule
from webbody.commit import FEATURES, UNMEASURED, Records, read_once
from webbody.config import DownloadSettings
from webbody.storage import Folder


class Backlog:
    """Compares what a build's folder holds with what its tasks ask for.

    `known` holds the records that were read; the caller empties it when records change.
    """

    def __init__(self, folder: Folder, tasks: Mapping[str, StageTask], known: Records) -> None:
        self._folder, self._tasks, self._known = folder, tasks, known
        settings = tasks[DOWNLOAD.name].settings
        texts = settings.retry if isinstance(settings, DownloadSettings) else ()
        self._retry = RetryRule.of(texts)

    def undone(self, node: Node, shards: tuple[str, ...]) -> tuple[str, ...]:
        """The shards that a stage has not committed as it is asked to now."""
        return tuple(shard for shard in shards if not self._is_done(node, shard))

    def first_undone(self, nodes: tuple[Node, ...], shard: str) -> str:
        """The first of these stages that has not; the last where all have."""
        undone = (node.name for node in nodes if not self._is_done(node, shard))
        return next(undone, nodes[-1].name)

    def row(self, nodes: tuple[Node, ...], shard: str) -> Row | None:
        """The row that sends a shard through a chain, or None where everything is committed.

        A stage that will run needs its inputs' large files: where they were evicted, the stages
        that make them run again too. Not for flags of a build of an older version, unless they are
        to drop something.
        """
        undone = [node for node in nodes if not self._is_done(node, shard)]
        unmeasured = FLAGS in nodes and self._unmeasured(shard)
        again = [n.name for n in nodes if n.name == DOWNLOAD.name and self._asks_again(shard)]
        if unmeasured and FLAGS.name in self._tasks[CLUSTERS.name].needs:
            again.append(FLAGS.name)
        if not undone and not again:
            return None
        force: set[str] = set()
        for node in reversed(nodes):
            record = self._known.get((node.name, shard))
            consumers = [n for n in nodes if node.name in self._tasks[n.name].needs]
            if unmeasured and FLAGS.name not in again:
                consumers = [n for n in consumers if n is not FLAGS]
            rerun = any(n in undone or n.name in (*force, *again) for n in consumers)
            if rerun and record is not None and record.evicted:
                force.add(node.name)
        return row_of(shard, sorted(force), again)

    def _asks_again(self, shard: str) -> bool:
        """Whether a shard has failures that `download.retry` names."""
        record = self._known.get((DOWNLOAD.name, shard))
        if self._retry is None or record is None:
            return False
        return any(self._retry.names(outcome) for outcome in record.counts)

    def _unmeasured(self, shard: str) -> bool:
        """Whether the shard's crops were let go before there were flags, or may have been."""
        record = read_once(self._folder, self._known, FLAGS.name, shard)
        return record is None or bool(record.counts.get(UNMEASURED))

    def evicted(self, nodes: tuple[Node, ...], shards: tuple[str, ...]) -> list[Row]:
        """The rows that make the images of these stages again, where they were evicted."""
        force = [node.name for node in nodes]
        return [
            row_of(shard, force)
            for shard in shards
            if committed(self._folder, nodes[-1].name, shard).evicted
        ]

    def forgotten(self, chain: tuple[Node, ...], shards: tuple[str, ...]) -> list[Row]:
        """The rows that compute face features again, where they were forgotten."""
        rows = []
        images = tuple(node for node in chain if node.evictable)
        for shard in shards:
            if FEATURES in committed(self._folder, FACES.name, shard).evicted:
                gone = self.evicted(images, (shard,))
                force = [FACES.name, *(gone[0]["force"] if gone else ())]
                rows.append(row_of(shard, force))
        return rows

    def runs(self, node: Node, rows: list[Row]) -> bool:
        """Whether a stage has something to do for any of the rows."""
        return any(
            node.name in (*row["force"], *row["again"]) or not self._is_done(node, row["shard"])
            for row in rows
        )

    def _is_done(self, node: Node, shard: str) -> bool:
        return is_done(self._folder, self._tasks[node.name], shard, (), self._known)
