"""The report's section of names: kept and rejected faces, and merged names."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.stage import ALL
from pipelines.engine.build_files import BuildFiles, shuffled
from pipelines.inspection.report.choosing import kind, round_robin
from pipelines.inspection.report.drawing import Drawing, EmbeddedImages, around, decoded
from webbody.parquet_tables import read_parquet
from webbody.plain_text import plain_text

#: Faces shown of a name: kept and rejected; of a name that was merged with another one.
_MOST_KEPT, _MOST_REJECTED, _MOST_MERGED = 12, 8, 5
#: People shown who bore several names, and names of one person.
_MOST_PEOPLE, _MOST_OF_ONE = 6, 4
#: Pixels of a thumbnail; it is shown at 96.
_SIDE = 136


@dataclass
class FaceThumbnail:
    """A face; `reason` is set where it was rejected, in a word or two, `outcome` in full."""

    picture: str | None
    reason: str | None = None
    outcome: str | None = None
    similarity: float | None = None


@dataclass
class FaceStrip:
    """Faces of a name, `more_kept` and `more_rejected` of which there was no room for."""

    name: str
    kept: list[FaceThumbnail]
    rejected: list[FaceThumbnail] = field(default_factory=list)
    more_kept: int = 0
    more_rejected: int = 0
    people: list[int] = field(default_factory=list)


@dataclass
class Merge:
    """Names that became one person, with the similarities that decided."""

    person: int
    rows: list[FaceStrip]
    similar: list[str]


@dataclass
class Names:
    """The section."""

    id: str
    title: str
    lead: str
    shape: str = "names"
    gap: str | None = None
    rows: list[FaceStrip] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    merges_gap: str | None = None


def named_faces(build: BuildFiles, most: int, embedded: EmbeddedImages) -> Names:
    """Faces of some names, chosen so that every kind of outcome is seen, and merged names."""
    section = Names(
        "names",
        "Names",
        "One row for each name: in green the faces that became the person, in red those that did "
        "not, with the reason and the cosine to the person.",
        gap=build.gap("clusters", images=False) or build.gap("persons"),
    )
    if section.gap:
        return section
    of_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _faces(build, build.shards("clusters")):
        of_name[row["name"]].append(row)
    thumbs = _Thumbs(build, embedded)
    for name in representative(of_name, most):
        section.rows.append(_row(name, of_name[name], thumbs))
    section.merges_gap = build.gap("identities", images=False)
    if not section.merges_gap:
        section.merges = list(_merges(build, of_name, thumbs))
        if not section.merges:
            section.merges_gap = "No two names of this build were merged."
    return section


def representative(of_name: dict[str, list[dict[str, Any]]], most: int) -> list[str]:
    """Names that together show every kind of outcome, then some that kept three faces or more."""
    kinds = {
        name: {kind(row["outcome"] or "kept") for row in rows} for name, rows in of_name.items()
    }
    large = {name: sum(row["outcome"] is None for row in rows) for name, rows in of_name.items()}
    left = shuffled(of_name)
    shown: set[str] = set()
    chosen: list[str] = []
    while left and len(chosen) < most:
        best = max(left, key=lambda name: (len(kinds[name] - shown), min(large[name], 3)))
        left.remove(best)
        shown |= kinds[best]
        chosen.append(best)
    return sorted(chosen)


def _faces(build: BuildFiles, shards: Iterable[str]) -> list[dict[str, Any]]:
    """The clustered faces of some shards with the last word on each: outcome, person, cosine."""
    out = []
    for shard in shards:
        columns = ("crop", "person", "outcome", "similarity")
        later = {row["crop"]: row for row in build.rows("identities", shard, columns)}
        boxes = {row["crop"]: row["box"] for row in build.rows("faces", shard, ("crop", "box"))}
        columns = ("crop", "name", "outcome", "similarity")
        for row in build.rows("clusters", shard, columns):
            label = later.get(row["crop"]) if row["outcome"] is None else None
            out.append(
                {
                    **row,
                    "person": label and label["person"],
                    "outcome": label["outcome"] if label else row["outcome"],
                    "decided": label["similarity"] if label else None,
                    "box": boxes.get(row["crop"]),
                }
            )
    return out


class _Thumbs:
    """Cuts faces out of person crops."""

    def __init__(self, build: BuildFiles, embedded: EmbeddedImages) -> None:
        self._build, self._embedded = build, embedded
        self._crops: dict[str, dict[str, dict[str, Any]]] = {}

    def __call__(self, row: dict[str, Any]) -> FaceThumbnail:
        shard = row["shard"]
        if shard not in self._crops:
            columns = ("crop", "offset", "length")
            rows = self._build.rows("persons", shard, columns)
            self._crops[shard] = {crop["crop"]: crop for crop in rows}
        rgb = decoded(self._build.image("persons", self._crops[shard].get(row["crop"], {})))
        picture = None
        if rgb is not None and row["box"]:
            picture = self._embedded.add(Drawing(rgb, _SIDE, around(row["box"], 0.25)))
        outcome = row["outcome"]
        cosine = row["similarity"] if row["decided"] is None else row["decided"]
        return FaceThumbnail(picture, outcome and _short(outcome), outcome, cosine)


def _row(name: str, rows: Sequence[dict[str, Any]], thumbs: _Thumbs) -> FaceStrip:
    """The name's most and least similar faces among a random few; every kind of rejection."""
    kept = [row for row in rows if row["outcome"] is None]
    rejected = [row for row in rows if row["outcome"] is not None]
    shown = shuffled(kept, _crop)[:_MOST_KEPT]
    refused = round_robin(rejected, _MOST_REJECTED, lambda row: kind(row["outcome"]), _crop)
    return FaceStrip(
        name=plain_text(name, 80),
        kept=[thumbs(row) for row in sorted(shown, key=_closest)],
        rejected=[
            thumbs(row) for row in sorted(refused, key=lambda r: (kind(r["outcome"]), _closest(r)))
        ],
        more_kept=len(kept) - len(shown),
        more_rejected=len(rejected) - len(refused),
        people=sorted({row["person"] for row in kept if row["person"] is not None}),
    )


def _merges(
    build: BuildFiles, of_name: dict[str, list[dict[str, Any]]], thumbs: _Thumbs
) -> Iterable[Merge]:
    """Some people who bore several names: those whose names are at hand first."""
    with build.folder.open("identities/people.parquet") as file:
        people = read_parquet(file, columns=["person", "names", "names_merged"])
    several = pc.and_(pc.greater(people["names_merged"], 1), pc.is_valid(people["person"]))
    merged = shuffled(people.filter(several).to_pylist(), lambda row: str(row["person"]))
    merged.sort(key=lambda row: sum(name not in of_name for name in row["names"]))
    merged = merged[:_MOST_PEOPLE]
    elsewhere = {name for row in merged for name in row["names"][:_MOST_OF_ONE]} - of_name.keys()
    if elsewhere:
        of_name = {**of_name}
        for row in _faces(build, sorted(build.shards_of(elsewhere))):
            if row["name"] in elsewhere:
                of_name.setdefault(row["name"], []).append(row)
    similar = _similarities(build, {name for row in merged for name in row["names"]})
    for row in sorted(merged, key=lambda row: row["person"]):
        shown = row["names"][:_MOST_OF_ONE]
        rows = []
        for name in shown:
            faces = [face for face in of_name.get(name, ()) if face["person"] == row["person"]]
            some = shuffled(faces, _crop)[:_MOST_MERGED]
            rows.append(
                FaceStrip(
                    plain_text(name, 80),
                    [thumbs(f) for f in some],
                    more_kept=len(faces) - len(some),
                )
            )
        cosines = [c for (a, b), c in similar.items() if a in row["names"] and b in row["names"]]
        yield Merge(row["person"], rows, [f"{cosine:.2f}" for cosine in cosines[:6]])


def _similarities(build: BuildFiles, names: set[str]) -> dict[tuple[str, str], float]:
    """The cosines of pairs of these names, highest first."""
    record = build.record("identities", ALL)
    if record is None or "pairs.parquet" not in record.outputs:
        return {}
    with build.folder.open("identities/pairs.parquet") as file:
        pairs = read_parquet(file, columns=["name_a", "name_b", "similarity"])
    own = pairs.filter(pc.is_in(pairs["name_a"], value_set=pa.array(sorted(names), pa.string())))
    rows = sorted(own.to_pylist(), key=lambda row: (-row["similarity"], row["name_a"]))
    return {(row["name_a"], row["name_b"]): row["similarity"] for row in rows}


def _short(outcome: str) -> str:
    """The outcome without its stage: it stands under a small picture."""
    parts = kind(outcome).split(":")
    return (
        {"duplicate-of": "duplicate"}.get(parts[1], " ".join(parts[1:])) if parts[1:] else parts[0]
    )


def _crop(row: dict[str, Any]) -> str:
    return str(row["crop"])


def _closest(row: dict[str, Any]) -> tuple[float, str]:
    """Order by falling similarity to the person."""
    return -(row["similarity"] or 0), row["crop"]
