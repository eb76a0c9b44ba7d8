"""Removing rows from a build folder: tables, tars and records are rewritten.

Nothing is fetched or computed again, so that everything else stays as it is, byte for byte; the
records are valid for the new files as they were for the old ones.
"""

from dataclasses import replace

from pipelines.fetching.site_rules import FOLDER as SITES
from pipelines.stages.pack import INDEX, write_index
from pipelines.takedown.corrections import cut_corrections
from pipelines.takedown.matching import TakenRows, taken_rows
from pipelines.takedown.people import cut_identities
from pipelines.takedown.rewriting import Rewriting
from pipelines.takedown.samples import cut_samples
from pipelines.takedown.staged import go_on
from pipelines.takedown.tables import BY_KEY, cut_plan, cut_stage
from pipelines.takedown.text_values import text_values
from webbody.build_records import BUILD_FILE, BuildRecords, given_inputs
from webbody.checked_json import checked_json
from webbody.commit import ALL, record_name
from webbody.errors import WebbodyError
from webbody.lease import Lease, writing
from webbody.removals import REMOVALS, RemovalLists, Removals
from webbody.storage import Folder
from webbody.view_cache import forget_view

#: Made of the tables, and made again when they are asked for.
_MADE = ("report.html", "rot.json", "rot.png", "score.json")
_LOGS = ("build.log",)


def apply(folder: Folder, lists: RemovalLists, own: Removals | None = None) -> TakenRows:
    """Remove the rows that the lists match from a build folder; returns them.

    own: the folder's own list, where it is to be written, too. The lists' digest becomes part of
    what the plan was made from, so that a build knows that they were applied. Whatever happens to
    the process, all of it is done or can be finished by calling this again.
    """
    with writing(folder):
        finish(folder)
        return _apply(folder, lists, own)


def _apply(folder: Folder, lists: RemovalLists, own: Removals | None) -> TakenRows:
    taken = taken_rows(folder, lists)
    work = Rewriting(folder, taken)
    if "stages" not in work.records.build:
        raise WebbodyError(
            f"{folder.url}: is a build of an older version; run `webbody build` with this one "
            "first."
        )
    if taken.keys or taken.rejected:
        _cut(work)
    else:
        cut_corrections(work)
        if work.new:
            work.write_records()
    _cut_sites(work, lists)
    digest = lists.digest()
    build = work.build
    record = work.new.get(("plan", ALL)) or work.records.get("plan")
    if build.get("removals", "") != digest:
        build["removals"] = digest
        if record is not None:
            record = replace(record, inputs=record.inputs | given_inputs("plan", build))
            work.changes.write_bytes(record_name("plan", ALL), record.to_json())
    if build != work.records.build:
        work.changes.write_bytes(BUILD_FILE, checked_json(build))
    if own is not None:
        work.changes.write_bytes(REMOVALS, own.to_bytes())
    if taken.samples:
        work.changes.remove(INDEX)
    forget_view(folder)
    work.changes.carry_out()
    _rewrite_index(folder)
    forget_view(folder)  # somebody who looks may have made it again meanwhile
    return taken


def finish(folder: Folder) -> None:
    """Finish an interrupted takedown, if there is one.

    Raises WebbodyError where another process writes in the folder.
    """
    Lease(folder).refuse_if_held()
    if go_on(folder):
        _rewrite_index(folder)


def _rewrite_index(folder: Folder) -> None:
    """Write the index of a finished build; others have none."""
    records = BuildRecords(folder)
    packs = records.packs
    if packs is not None and all(records.get("pack", shard) for shard in packs):
        write_index(folder)


def _cut(work: Rewriting) -> None:
    """Write everything that changes."""
    stages = work.records.build["stages"]
    for stage in (name for name in BY_KEY if name in stages):
        for shard in work.taken.keys:
            cut_stage(work, stage, shard)
    cut_plan(work)
    cut_identities(work)
    cut_samples(work)
    cut_corrections(work)
    _cut_texts(work)
    work.write_records()


def _cut_texts(work: Rewriting) -> None:
    """Pages and pictures made of the tables, and lines of logs that tell of what goes."""
    for name in _MADE:
        if work.folder.size(name) is not None:
            work.changes.remove(name)
    words = [*work.taken.urls, *work.taken.lost, *work.taken.samples]
    words += [key for keys in work.taken.keys.values() for key in keys]
    for name in _LOGS:
        if work.folder.size(name) is None:
            continue
        lines = work.folder.read(name).decode("utf-8", "replace").splitlines(keepends=True)
        stay = [line for line in lines if not any(word in line for word in words)]
        if len(stay) < len(lines):
            work.changes.write_bytes(name, "".join(stay).encode())


def _cut_sites(work: Rewriting, lists: RemovalLists) -> None:
    """Cached rule files of hosts that mention a removed URL or host."""
    folder = work.folder
    if not folder.fs.exists(folder.path(SITES)):
        return
    for path in folder.fs.find(folder.path(SITES)):
        name = str(path).removeprefix(f"{folder.path()}/")
        values = text_values(folder.read(name), name.rpartition(".")[2], names=False)
        if any(lists.contains(**one) for readings in values for one in readings):
            work.changes.remove(name)
