"""Repair: damaged files are made again, with the folder's own settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipelines.base.row_lookup import LOOKUP
from pipelines.build import build
from pipelines.engine import upkeep
from pipelines.engine.sources import source_of
from pipelines.engine.worker import Event
from pipelines.reid.import_job import IMPORT_FILE
from pipelines.stages.pack import INDEX
from pipelines.verify.build import REMEMBERED, verify_build, verify_import
from pipelines.verify.findings import Redo, Verified
from pipelines.verify.tar_repair import repair_download
from webbody.build_records import BUILD_FILE, read_build
from webbody.checked_json import is_altered
from webbody.commit import Record, is_side_file, read_record, record_name
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.lease import writing
from webbody.storage import Folder

#: What the tables of downloads say besides, which no build can ask for again.
_LOST = "what servers said of these pictures is lost: a release has no days and ETags of them"


@dataclass
class Repaired:
    """What was done: `repaired` without its stage, `redone` by it; notes are sentences."""

    repaired: list[str] = field(default_factory=list)
    redone: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def repair(
    verified: Verified, listener: Callable[[Event], None] | None = None
) -> tuple[Repaired, Verified]:
    """Make again what a verification found damaged, and look at the folder once more.

    A tar of downloads loses nothing that is intact: its damaged pictures alone are fetched, if they
    are still what they were. Of everything else the record is withdrawn, and the build does these
    shards again; what reads them is done again only if they come out differently.

    Raises:
        WebbodyError: It is no build, or one that cannot go on: build.json was changed, or its
            manifest was; or whatever the build raises.
    """
    folder = Folder(verified.url)
    if verified.kind == "release":
        raise WebbodyError(f"{verified.url}: is a release: fetch what is damaged again.")
    with writing(folder):
        if verified.kind == "import":
            return _withdrawn(folder, verified), verify_import(folder)
        return _repaired(folder, verified, listener)


def _repaired(
    folder: Folder, verified: Verified, listener: Callable[[Event], None] | None
) -> tuple[Repaired, Verified]:
    config = _settings(folder)
    done = Repaired()
    redos = [one.redo for one in verified.findings if one.redo is not None]
    before: dict[tuple[str, str], Record | None] = {}
    for stage, shard in dict.fromkeys((redo.stage, redo.shard) for redo in redos if redo.stage):
        files = [redo.file for redo in redos if (redo.stage, redo.shard) == (stage, shard)]
        record = read_record(folder, stage, shard)
        if record is None:
            before[stage, shard] = None  # the build does it again
        elif not _repair_files(folder, record, files, config, done):
            before[stage, shard] = record
            folder.remove(record_name(stage, shard))
    undone = any(one.redo is None or not one.redo.stage for one in verified.errors)
    if before or undone:
        _remember(folder, redos)
        _check_source(folder, config)
        result = build(config, listener)
        done.notes += [f"{one.stage}/{one.shard}: {one.message}" for one in result.failures]
    for (stage, shard), old in before.items():
        done.redone.append(f"{stage}/{shard}")
        again = read_record(folder, stage, shard)
        if old is not None and again is not None and not _same(old, again):
            done.notes.append(f"{stage}/{shard} came out differently; what reads it was done again")
    return done, verify_build(folder)


def _repair_files(
    folder: Folder, record: Record, files: Sequence[str], config: BuildConfig, done: Repaired
) -> bool:
    """Mend files of a shard without doing it again, if that can be done."""
    stage, shard = record.stage, record.shard
    side = [name for name in files if is_side_file(name)]
    tar = f"{shard}.tar"
    rest = set(files) - set(side)
    if rest - ({tar} if stage == "download" else set()):
        return False
    if rest:
        fetched = repair_download(folder, record, config.download)
        if fetched is None:
            return False
        done.repaired.append(f"{stage}/{tar} ({fetched:,} pictures fetched again)")
    if side:
        outputs = {name: one for name, one in record.outputs.items() if name not in side}
        record = Record(**{**vars(record), "outputs": outputs})
        folder.write_bytes(record_name(stage, shard), record.to_json())
        for name in side:
            folder.remove(f"{stage}/{name}")
            done.repaired.append(f"{stage}/{name} (taken out)")
        if set(side) != {LOOKUP}:  # without it the plan itself is read
            done.notes.append(f"{stage}/{shard}: {_LOST}")
    return True


def _settings(folder: Folder) -> BuildConfig:
    """The settings of a build folder; they are for this place, wherever it was built."""
    values = read_build(folder)
    again = f"run `webbody build --out {folder.url}` with its manifest and settings instead."
    if values is None or not values.get("config"):
        raise WebbodyError(f"{folder.url}/{BUILD_FILE}: says no settings; {again}")
    if is_altered(folder.read(BUILD_FILE), values):
        raise WebbodyError(f"{folder.url}/{BUILD_FILE}: was changed after it was written; {again}")
    config = BuildConfig.model_validate(values["config"])
    config.out = folder.url
    return config


def _withdrawn(folder: Folder, verified: Verified) -> Repaired:
    """Withdraw the records of damaged files of an import, which is made from another folder."""
    for redo in (one.redo for one in verified.findings if one.redo is not None):
        folder.remove(record_name(redo.stage, redo.shard))
    folder.remove(INDEX)
    try:
        state = parse_json(folder.read(IMPORT_FILE))
        what = f"{state['dataset']}={state['path']}"
    except (ValueError, KeyError, TypeError):
        what = "NAME=PATH"
    parent = folder.url.rpartition("/")[0] or "."
    message = (
        f"run `webbody import reid {what} --out {parent}` with its settings: it makes them again"
    )
    return Repaired(notes=[message])


def _check_source(folder: Folder, config: BuildConfig) -> None:
    """Refuse to turn the folder into the build of a list that is another one by now."""
    source, state = source_of(config), read_build(folder) or {}
    try:
        untouched = all(state.get(key) == value for key, value in source.state().items())
        if not untouched and source.digest() != state.get("sha256"):
            raise WebbodyError(
                f"{config.manifest}: is not what {folder.url} was built from any more; put it "
                "back, or run `webbody build`, which builds what it holds now."
            )
    finally:
        source.close()


def _remember(folder: Folder, redos: Sequence[Redo]) -> None:
    """Copy what the next build goes on from, before it does; not what is damaged itself."""
    damaged = {f"{redo.stage}/{redo.file}" for redo in redos}
    if not damaged & {f"{stage}/{name}" for stage, name in REMEMBERED}:
        upkeep.remember(folder)


def _same(record: Record, again: Record) -> bool:
    names = {name for name in (*record.outputs, *again.outputs) if not is_side_file(name)}
    return all(record.outputs.get(name) == again.outputs.get(name) for name in names)
