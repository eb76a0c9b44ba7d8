"""The page of corrections: who said what, when and why, and what came of it."""

from dataclasses import dataclass
from typing import Any

from pipelines.corrections.correction import Correction, Verdict
from pipelines.corrections.journal import read_corrections
from pipelines.corrections.told import known_to, sentence, waiting_sentence, why_not
from pipelines.viewer.index.viewed import ViewedBuild
from pipelines.viewer.pages.grid import COLUMNS, GridTile, tile_of
from webbody.plain_text import counted

_PAGE = 40
_TILES = 6


@dataclass
class SaidLine:
    """A correction: its words, what came of it, and the pictures that it speaks of."""

    one: Correction
    sentence: str
    came: str
    tiles: list[GridTile]
    undoable: bool


def corrections_page(viewed: ViewedBuild, page: int) -> dict[str, Any]:
    """What the template `corrections` shows, the latest first.

    Raises WebbodyError where a correction cannot be read.
    """
    said = read_corrections(viewed.build.folder)[::-1]
    known = known_to(viewed.build.records)
    undone = {one.undoes for one in said}
    some = said[(page - 1) * _PAGE : page * _PAGE]
    marked = viewed.marks.crops
    tiles = _tiles(viewed, [crop for one in some for crop in marked.get(one.id, ())[:_TILES]])
    lines = []
    for one in some:
        came = ""
        if one.id in undone:
            came = "taken back"
        elif found := known.get(one.id):
            came = why_not(found.state) or counted(found.rows, "decision")
            came += f" ({found.by})" * bool(found.by)
        elif one.verdict not in (Verdict.UNDO, Verdict.RIGHT):
            came = "waits"
            if one.crops:
                came += f"; means {counted(len(marked.get(one.id, ())), 'picture')} here"
        shown = [tiles[crop] for crop in marked.get(one.id, ())[:_TILES] if crop in tiles]
        undoable = one.verdict != Verdict.UNDO and one.id not in undone
        lines.append(SaidLine(one, sentence(one), came, shown, undoable))
    return {
        "lines": lines, "count": len(said), "page": page, "pages": -(-len(said) // _PAGE),
        "waiting": waiting_sentence(viewed.build.records),
    }  # fmt: skip


def _tiles(viewed: ViewedBuild, crops: list[str]) -> dict[str, GridTile]:
    rows = viewed.database.rows(
        f"SELECT {COLUMNS} FROM crops WHERE crop IN (SELECT unnest(?::VARCHAR[]))", (crops,)
    )
    return {row["crop"]: tile_of(viewed, row, "faces") for row in rows}
