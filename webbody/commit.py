"""Commit records: outputs of a stage for a shard, its inputs and settings.

A shard's outputs are written under temporary names, flushed and renamed; its record
`<stage>/<shard>.json` is written last. Readers use only files of a record, so a kill at any moment
leaves either a committed shard or none.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter, with_config

from webbody.checked_json import CHECK, checked_json, is_altered
from webbody.json_text import parse_json
from webbody.storage import Folder

#: The shard name of a stage that runs once for the whole build.
ALL = "all"


#: Stands among a record's evicted outputs where the table of faces lost its features.
FEATURES = "features"

#: The count, in a record of flags, of crops that were let go before they were measured.
UNMEASURED = "unmeasured"

#: The key of evicted outputs in a record's file; unchanged, so that old builds can be read.
_EVICTED = "let_go"


@with_config(extra="forbid")
@dataclass(frozen=True)
class Output:
    """One committed file: its sha256 (hex) and size in bytes."""

    sha256: str
    bytes: int


@with_config(extra="forbid")
@dataclass(frozen=True)
class Record:
    """The commit record of one shard of one stage.

    `inputs` maps each file that was read (`stage/file`) to its sha256; `fingerprint` covers the
    stage's settings, model files and version; `outputs` maps file names inside the stage's folder;
    `evicted` names outputs that were removed on purpose once every consumer had committed.
    """

    stage: str
    shard: str
    fingerprint: str
    inputs: dict[str, str]
    outputs: dict[str, Output]
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    code: str = ""
    evicted: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all outputs."""
        return sum(output.bytes for output in self.outputs.values())

    def to_json(self) -> bytes:
        values = asdict(self)
        values[_EVICTED] = values.pop("evicted")
        return checked_json(values)

    @classmethod
    def from_json(cls, data: bytes) -> "Record":
        """Parse a record; ValueError if it is none, or was changed."""
        raw = parse_json(data)
        if not isinstance(raw, dict) or is_altered(data, raw):
            raise ValueError("no commit record, or one that was changed after it was written")
        raw.pop(CHECK, None)
        raw["evicted"] = raw.pop(_EVICTED, ())
        return _RECORDS.validate_python(raw)

    def matches(self, fingerprint: str, inputs: Mapping[str, str]) -> bool:
        """Whether it was made with these settings from exactly these inputs."""
        return self.fingerprint == fingerprint and self.inputs == dict(inputs)


#: Checks types, and that there is nothing else.
_RECORDS = TypeAdapter(Record)


def record_name(stage: str, shard: str) -> str:
    return f"{stage}/{shard}.json"


def read_record(folder: Folder, stage: str, shard: str) -> Record | None:
    """The record of a shard, or None if it is missing or unreadable."""
    try:
        return Record.from_json(folder.read(record_name(stage, shard)))
    except (FileNotFoundError, ValueError):
        return None


#: Records that were read, by stage and shard; None: there is none.
Records = dict[tuple[str, str], Record | None]


def read_once(folder: Folder, known: Records, stage: str, shard: str) -> Record | None:
    """The record of a shard, read if it is not known; for as long as nothing changes."""
    if (stage, shard) not in known:
        known[stage, shard] = read_record(folder, stage, shard)
    return known[stage, shard]


def side_file(shard: str, what: str) -> str:
    """The name of a table that a stage writes beside its own, and that no stage reads."""
    return f"{shard}.{what}.parquet"


def is_side_file(name: str) -> bool:
    """Whether an output is such a table, which its name tells: <shard>.<what>.<kind>.

    Its content may differ between builds that are otherwise the same, as dates do. So it is part of
    no input, and losing it makes nothing undone.
    """
    return name.count(".") == 2


def intact(folder: Folder, record: Record) -> bool:
    """Whether every output that was not evicted exists with its size."""
    return all(
        name in record.evicted
        or is_side_file(name)
        or folder.size(f"{record.stage}/{name}") == output.bytes
        for name, output in record.outputs.items()
    )


def fingerprint(settings: Mapping[str, Any], version: int) -> str:
    """A digest of a stage's settings (JSON-serialisable) and of the version of its behaviour."""
    text = json.dumps({"settings": settings, "version": version}, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def input_digests(
    needs: Iterable[str],
    global_stages: Collection[str],
    shard: str,
    shards: Iterable[str],
    record: Callable[[str, str], Record | None],
) -> dict[str, str] | None:
    """The inputs of a stage for a shard: `stage/file` -> sha256; None if not all are committed.

    needs: the stages that it reads, of which `global_stages` run once; `record` gives the record
    of a stage and shard. Of a global stage, a shard reads only its own file, so that changes of
    other shards do not affect it; a global stage (shard ALL) reads all `shards`. Side files are no
    inputs.
    """
    out: dict[str, str] = {}
    for need in needs:
        once = need in global_stages
        for one in (ALL,) if once else tuple(shards) if shard == ALL else (shard,):
            found = record(need, one)
            if found is None:
                return None
            own = once and shard != ALL
            names = (f"{shard}.parquet", f"{shard}.tar") if own else tuple(found.outputs)
            read = [n for n in names if n in found.outputs and not is_side_file(n)]
            out |= {f"{need}/{n}": found.outputs[n].sha256 for n in read}
    return out
