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
from pipelines.corrections.journal import FOLDER, read_corrections
from pipelines.takedown.rewriting import Rewriting
from webbody.commit import ALL


def cut_corrections(work: Rewriting) -> None:
    """Take the pictures that go out of what people said; what then says nothing goes, too.

    A build that heeded what was said has nothing new to heed afterwards.
    """
    folder, pictures = work.folder, work.taken.pictures
    before = in_force(read_corrections(folder))
    after: list[Correction] = []
    for name in sorted(folder.names(FOLDER)):
        if not name.endswith(".jsonl"):
            continue
        said = [parse_correction(line) for line in folder.read(f"{FOLDER}/{name}").splitlines()]
        left = [cut for one in said if (cut := without(one, pictures)) is not None]
        after += left
        if left != said:
            lines = b"".join(one.to_line() for one in left)
            work.changes.write_bytes(f"{FOLDER}/{name}", lines)
    _cut_table(work, {one.id for one in after})
    if work.build.get("corrections") and work.build["corrections"] == digest(before):
        ordered = sorted(after, key=lambda one: (one.number, one.when, one.id))
        work.build["corrections"] = digest(in_force(ordered))


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
