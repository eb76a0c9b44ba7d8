"""The commit records of a build or an import: which count, and what is wrong with the others."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipelines.engine.graph import Node, stages_of
from pipelines.verify.digests import NotedFile
from pipelines.verify.findings import Finding, Redo, error, some, warning
from webbody.build_records import BUILD_FILE, BuildRecords
from webbody.checked_json import CHECK, is_altered
from webbody.commit import ALL, Record, record_name
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.storage import Folder

_AGAIN = "run `webbody build` again with its manifest and settings"
_PACK_INDEX, _PACK_README = "index.json", "README.md"


@dataclass
class Committed:
    """The records that count, by stage and shard, and what was found about all of them.

    build: None where the records of the whole cannot be told from older ones. checked: whether
    records hold digests of themselves, as those of older versions do not.
    """

    build: BuildRecords | None
    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    checked: bool = False

    def files(self) -> Iterator[tuple[Redo, NotedFile]]:
        """All outputs that are not evicted, each with the shard that makes it."""
        for record in self.records.values():
            for name, output in record.outputs.items():
                if name not in record.evicted:
                    noted = NotedFile(f"{record.stage}/{name}", output.sha256, output.bytes)
                    yield Redo(record.stage, record.shard, name), noted

    def of(self, stage: str) -> list[Record]:
        """The records of a stage, by shard."""
        return [record for (name, _), record in sorted(self.records.items()) if name == stage]


def read_committed(folder: Folder) -> Committed:
    """The records of a build folder."""
    try:
        build = BuildRecords(folder)
    except WebbodyError:
        build = None
    found = Committed(build)
    nodes = stages_of(build.build.get("stages") if build else None)
    for node in nodes:
        _of_stage(folder, node, found)
    found.findings[:0] = _of_build_file(folder, build, found.checked)
    return found


def read_import(folder: Folder) -> Committed:
    """The records of an import, which are all of one kind."""
    found = Committed(None)
    for stage in ("plan", "pack"):
        for shard in _recorded(folder, stage):
            if record := _parsed(folder, stage, shard, found):
                found.records[stage, shard] = record
    return found


def _of_build_file(folder: Folder, build: BuildRecords | None, checked: bool) -> Iterator[Finding]:
    """What is wrong with build.json, and with the plan, without which nothing can be told.

    checked: the records hold digests of themselves.
    """
    try:
        data = folder.read(BUILD_FILE)
        values = parse_json(data)
        # Whoever changed the digest's own name made it a file of an older version, were it not for
        # the records, which have theirs.
        whole = (CHECK in values or not checked) and not is_altered(data, values)
    except (ValueError, TypeError, RecursionError):
        whole = False
    if not whole:
        yield error(BUILD_FILE, "was changed after it was written", _AGAIN)
    elif build is None:
        redo = Redo("plan", ALL, "")
        yield error(record_name("plan", ALL), "is missing or damaged", _AGAIN, redo)


def _of_stage(folder: Folder, node: Node, found: Committed) -> None:
    """Note the records of a stage that count, and what is wrong with or missing of the others."""
    build = found.build
    recorded = _recorded(folder, node.name)
    expected: tuple[str, ...] | None = None
    if build is not None:
        packs, shards = build.packs, build.shards
        expected = (ALL,) if node.is_global else packs if node.of_output else shards
    missing, sound = [], True
    for shard in sorted({*recorded, *(expected or ())}):
        if shard not in recorded:
            missing.append(shard)
            continue
        record = _parsed(folder, node.name, shard, found)
        if record is None:
            sound = False
            continue
        if expected is not None and shard not in expected:
            found.findings.append(
                warning(record_name(node.name, shard), "is left from an older plan", _AGAIN)
            )
        elif _asked_for(build, record):
            found.records[node.name, shard] = record
            if _outdated(build, record):
                missing.append(shard)
        else:
            missing.append(shard)
    if missing:
        what = f"{some(missing)} is not committed as build.json asks"
        found.findings.append(error(node.name, what, _AGAIN))
    if sound and not missing:
        found.findings += _strays(folder, node.name, found)


def _asked_for(build: BuildRecords | None, record: Record) -> bool:
    """Whether a record is of the settings that build.json asks for."""
    if build is None or "stages" not in build.build:
        return True
    requested = build.build["stages"].get(record.stage)
    return requested is not None and requested["fingerprint"] == record.fingerprint


def _outdated(build: BuildRecords | None, record: Record) -> bool:
    """Whether what a record was made from is there, and another than it was then."""
    if build is None or build.get(record.stage, record.shard) is not None:
        return False
    needs = build.build.get("stages", {}).get(record.stage, {}).get("needs", ())
    shards = build.shards if record.shard == ALL else (record.shard,)
    return all(build.get(need, shard) is not None for need in needs for shard in shards)


def _strays(folder: Folder, stage: str, found: Committed) -> Iterator[Finding]:
    """Files that no record lists: left by a kill, or put there by somebody."""
    known = {_PACK_INDEX, _PACK_README}
    for record in found.of(stage):
        known |= {f"{record.shard}.json", *record.outputs}
    if strays := [name for name in folder.names(stage) if name not in known]:
        yield warning(stage, f"holds files that no commit record lists: {some(strays)}", _AGAIN)


def _recorded(folder: Folder, stage: str) -> list[str]:
    """The shards of a stage that have a record."""
    names = [name for name in folder.names(stage) if name.endswith(".json") and name[0] != "."]
    return [name.removesuffix(".json") for name in names if name != _PACK_INDEX]


def _parsed(folder: Folder, stage: str, shard: str, found: Committed) -> Record | None:
    name = record_name(stage, shard)
    try:
        data = folder.read(name)
        record = Record.from_json(data)
        found.checked |= f'\n "{CHECK}": "'.encode() in data
        return record
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        found.findings.append(
            error(name, "was changed after it was written", _AGAIN, Redo(stage, shard, ""))
        )
        return None
