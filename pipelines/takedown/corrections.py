"""Corrections without pictures that were taken down: nothing may name these any more."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.corrections.correction import (
    OF_PEOPLE,
    OF_PICTURES,
    Correction,
    CropReference,
    digest,
    in_force,
    parse_correction,
)
from pipelines.corrections.effects import CORRECTIONS
from pipelines.corrections.journal import FOLDER, in_order
from pipelines.takedown.rewriting import Rewriting
from pipelines.takedown.text_values import text_values
from webbody.commit import ALL
from webbody.removals import RemovalLists


def cut_corrections(work: Rewriting) -> None:
    """Take what goes out of what people said: pictures, and reasons that mention it.

    What then says nothing goes, too. A build that heeded what was said has nothing new to heed
    afterwards.
    """
    folder = work.folder
    before: list[Correction] = []
    after: list[Correction] = []
    for name in sorted(folder.names(FOLDER)):
        if not name.endswith(".jsonl"):
            continue
        old = folder.read(f"{FOLDER}/{name}")
        lines = []
        for line in old.splitlines(keepends=True):
            try:
                said = parse_correction(line)
            except ValueError:  # damaged: it must not keep what was taken down
                lines += [] if _mentions(line, work) else [line]
                continue
            before.append(said)
            cut = _cut(said, work)
            if cut is not None:
                after.append(cut)
                lines.append(line if cut == said else cut.to_line())
        if (new := b"".join(lines)) != old:
            work.changes.write_bytes(f"{FOLDER}/{name}", new)
    if not before:
        return
    _cut_table(work, {one.id for one in after})
    known = digest(in_force(in_order(before)))
    if work.build.get("corrections") and work.build["corrections"] == known:
        work.build["corrections"] = digest(in_force(in_order(after)))


def _cut(one: Correction, work: Rewriting) -> Correction | None:
    pictures, lists = work.taken.pictures, work.taken.lists
    gone = {
        reference.sha256
        for reference in one.references
        if reference.sha256 in pictures or lists.contains(sha256=reference.sha256)
    }
    cut = without(one, gone)
    if cut is not None and cut.why and _mentions(cut.why.encode(), work):
        cut = replace(cut, why="")
    return cut


def _mentions(text: bytes, work: Rewriting) -> bool:
    """Whether a text names something that goes, or went before."""
    taken = work.taken
    words = [*taken.urls, *taken.lost, *taken.samples, *taken.pictures]
    words += [key for keys in taken.keys.values() for key in keys]
    return any(word.encode() in text for word in words if word) or _listed(text, taken.lists)


def _listed(text: bytes, lists: RemovalLists) -> bool:
    values = text_values(text, "txt", names=True)
    return any(lists.contains(**one) for readings in values for one in readings)


def without_removed(one: Correction, lists: RemovalLists) -> Correction | None:
    """A correction of another build without what lists say was taken down; None if it is empty."""
    gone = {r.sha256 for r in one.references if lists.contains(sha256=r.sha256)}
    cut = without(one, gone)
    return replace(cut, why="") if cut is not None and _listed(cut.why.encode(), lists) else cut


def _cut_table(work: Rewriting, left: set[str]) -> None:
    """Take what says nothing any more out of the table of what came of corrections."""
    record = work.record("identities", ALL)
    if record is None or CORRECTIONS not in record.outputs:
        return
    name = f"identities/{CORRECTIONS}"
    table = work.table(name)
    stays = table.filter(pc.is_in(table["id"], value_set=pa.array(sorted(left), pa.string())))
    work.keep(record, {CORRECTIONS: work.write(name, stays) if len(stays) else None})


def without(one: Correction, pictures: set[str]) -> Correction | None:
    """A correction that names none of these pictures (sha256); None if it has nothing left."""

    def stays(references: tuple[CropReference, ...]) -> tuple[CropReference, ...]:
        return tuple(reference for reference in references if reference.sha256 not in pictures)

    cut = replace(
        one,
        crops=stays(one.crops),
        person=tuple(left for name in one.person if (left := stays(name))),
        other=tuple(left for name in one.other if (left := stays(name))),
    )
    if one.verdict in OF_PICTURES and not cut.crops:
        return None
    if one.verdict in OF_PEOPLE and not (cut.person and cut.other):
        return None
    return cut
