"""Verification of a build or an import: records, files, and their consistency."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.graph import IDENTITIES, LEDGER, PACK, PLAN, SPLIT
from pipelines.identity.person_ids import PERSON_IDS
from pipelines.reid.import_job import IMPORT_FILE, index_of_import
from pipelines.sampling.placement import SHUFFLE
from pipelines.stages.ledger import general
from pipelines.stages.pack import INDEX
from pipelines.verify.committed import Committed, read_committed, read_import
from pipelines.verify.digests import NotedFile, compare
from pipelines.verify.findings import (
    EVERYTHING,
    Finding,
    Redo,
    SampleDraw,
    Verified,
    error,
    some,
)
from pipelines.verify.members import damaged_members
from pipelines.verify.packed import (
    PackedSamples,
    box_findings,
    index_findings,
    index_of_build,
    split_boxes,
)
from pipelines.verify.removed import removed_rows
from webbody.checked_json import is_altered
from webbody.commit import ALL
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.parquet_tables import read_parquet
from webbody.removals import (
    RELEASED_REMOVALS,
    REMOVALS,
    TAKEDOWN,
    RemovalLists,
    read_removals,
)
from webbody.storage import Folder

_AGAIN = "`webbody verify --repair` does that shard again"
#: The files beside the stages that are copies of a stage's output.
REMEMBERED = ((IDENTITIES.name, PERSON_IDS), (SPLIT.name, SHUFFLE))


def verify_build(folder: Folder, draw: SampleDraw = EVERYTHING, threads: int = 0) -> Verified:
    """Everything that a build folder says of itself."""
    check = BuildCheck(Verified(folder.url, "build", draw), folder, read_committed(folder), threads)
    check.files()
    check.tables()
    check.index(index_of_build(folder))
    check.remembered()
    check.ledgers()
    return check.found


def verify_import(folder: Folder, draw: SampleDraw = EVERYTHING, threads: int = 0) -> Verified:
    """Everything that an import of `webbody import reid` says of itself."""
    found = Verified(folder.url, "import", draw)
    committed = read_import(folder)
    check = BuildCheck(found, folder, committed, threads)
    check.state(IMPORT_FILE)
    check.files()
    check.tables()
    if not check.damaged and draw.share >= 1:
        check.index(index_of_import(committed.of(PACK.name), check.packed.people))
    return found


class BuildCheck:
    """One verification; `damaged` are the files that are not what their records say."""

    def __init__(self, found: Verified, folder: Folder, committed: Committed, threads: int) -> None:
        self.found, self._folder, self._committed = found, folder, committed
        self._threads = threads
        self.damaged: set[str] = set()
        self.packed = PackedSamples(folder, committed)
        found.add(committed.findings)

    def files(self) -> None:
        """The bytes of every file against the digest in its record."""
        takes = self.found.draw.takes
        noted = {file: redo for redo, file in self._committed.files() if takes(file.name)}
        for file, read, wrong in compare(self._folder, noted, self._threads):
            self.found.files += 1
            self.found.bytes += read
            if wrong:
                self.damaged.add(file.name)
                redo = noted[file]
                self.found.add([error(file.name, wrong + self._where(redo), _AGAIN, redo)])

    def _where(self, redo: Redo) -> str:
        """The damaged members of a tar, if they can be told."""
        table = f"{redo.stage}/{redo.shard}.parquet"
        if not redo.file.endswith(".tar") or self._folder.size(f"{redo.stage}/{redo.file}") is None:
            return ""
        try:
            keys = damaged_members(self._folder, redo.stage, redo.shard)
        except (WebbodyError, OSError, KeyError, TypeError, ValueError, pa.ArrowException):
            return f" ({table} does not tell where)"
        return f" ({some(keys)})" if keys else " (outside the pictures)"

    def tables(self) -> None:
        """What the tables say, where their bytes are as they were written."""
        removals = self._removals()
        for _, file in self._committed.files():
            stage, _, name = file.name.partition("/")
            if file.name in self.damaged or not name.endswith(".parquet"):
                continue
            if not self.found.draw.takes(file.name) or self._folder.size(file.name) is None:
                continue
            try:
                self.found.add(list(self._of_table(stage, name, removals)))
            except (pa.ArrowException, WebbodyError, OSError, KeyError):
                # A table that goes with it is damaged, and was told or not drawn.
                self.found.notes.append(f"{file.name} was not compared with the tables around it")
        if not self.damaged and self.found.draw.share >= 1:
            self.found.add(self.packed.check_together())

    def _of_table(self, stage: str, name: str, removals: RemovalLists) -> Iterator[Finding]:
        """What is wrong with the rows of a table."""
        shard = name.removesuffix(".parquet")
        if stage == PACK.name:
            yield from self.packed.check(shard)
        if stage == SPLIT.name and "-" in shard:
            yield from self._boxes(shard)
        if stage == LEDGER.name:
            yield from self._ledger(shard)
        if removals and name != PERSON_IDS:  # ids that are gone must not be given again
            yield from self._removed(f"{stage}/{name}", removals)

    def _removed(self, file: str, removals: RemovalLists) -> Iterator[Finding]:
        if rows := removed_rows(self._folder, file, removals):
            message = f"has {len(rows):,} rows that were taken down (row {some(rows)})"
            yield error(file, message, "run `webbody build` again")

    def _boxes(self, shard: str) -> Iterator[Finding]:
        where = f"{SPLIT.name}/{shard}.parquet"
        with self._folder.open(where) as file:
            boxes = split_boxes(read_parquet(file))
        yield from box_findings(where, boxes, Redo(SPLIT.name, ALL, f"{shard}.parquet"))

    def _ledger(self, shard: str) -> Iterator[Finding]:
        """Whether a ledger has a row for each row of its plan, and the outcomes that it counts."""
        where = f"{LEDGER.name}/{shard}.parquet"
        redo = Redo(LEDGER.name, shard, f"{shard}.parquet")
        with self._folder.open(where) as file:
            table = read_parquet(file, columns=["key", "outcome"])
        with self._folder.open(f"{PLAN.name}/{shard}.parquet") as file:
            planned = read_parquet(file, columns=["key"])
        if table["key"] != planned["key"]:
            yield error(where, "has other rows than the plan", _AGAIN, redo)
        counts: dict[str, int] = {}
        for value in pc.value_counts(table["outcome"]).to_pylist():
            name = general(value["values"])
            counts[name] = counts.get(name, 0) + value["counts"]
        record = self._committed.records[LEDGER.name, shard]
        # Rows that were taken down are counted, and are in no table.
        counts.pop(TAKEDOWN, None)
        others = ("in", "out", TAKEDOWN)
        noted = {k: n for k, n in record.counts.items() if n and k not in others}
        if counts != noted:
            yield error(where, "has other outcomes than its record counts", _AGAIN, redo)

    def ledgers(self) -> None:
        """Whether all rows of the manifest have an outcome."""
        build = self._committed.build
        plan = build.get(PLAN.name) if build else None
        ledgers = self._committed.of(LEDGER.name)
        if plan is None or len(ledgers) != len(build.shards if build else ()):
            return
        decided = sum(record.counts["in"] for record in ledgers)
        rejected = plan.counts["in"] - plan.counts["out"]
        if decided + rejected != plan.counts["in"]:
            what = f"{plan.counts['in']:,} rows are planned, {decided + rejected:,} have an outcome"
            self.found.add([error(LEDGER.name, what, "run `webbody build` again")])

    def index(self, right: bytes | None) -> None:
        self.found.add(index_findings(self._folder, right))

    def state(self, name: str) -> None:
        """A file that holds a digest of itself."""
        try:
            data = self._folder.read(name)
            altered = is_altered(data, parse_json(data))
        except (ValueError, TypeError, RecursionError):
            altered = True
        if altered:
            self.found.add([error(name, "was changed after it was written", "import again")])

    def remembered(self) -> None:
        """Copies of outputs from which the next build goes on; a finished build has them."""
        if self._folder.size(INDEX) is None:
            return
        for stage, name in REMEMBERED:
            record = self._committed.records.get((stage, ALL))
            if record is None or name not in record.outputs:
                continue
            output = record.outputs[name]
            noted = NotedFile(name, output.sha256, output.bytes)
            for _, _, wrong in compare(self._folder, [noted], 1):
                if wrong:
                    advice = f"`webbody verify --repair` copies it from {stage}/ again"
                    self.found.add([error(name, wrong, advice, Redo("", "", name))])

    def _removals(self) -> RemovalLists:
        """The lists that hold for the folder; a damaged one is told."""
        lists = []
        for name in (REMOVALS, RELEASED_REMOVALS):
            try:
                lists.append(read_removals(self._folder, name))
            except WebbodyError as problem:
                self.found.add([error(name, str(problem))])
        removals = RemovalLists(tuple(one for one in lists if one is not None))
        build = self._committed.build
        digest = build.build.get("removals", "") if build else ""
        if build is not None and digest != removals.digest():
            message = "are others than those that this build is of"
            advice = "run `webbody build` again, which applies them; put a damaged list back first"
            self.found.add([error(REMOVALS, message, advice)])
        return removals
