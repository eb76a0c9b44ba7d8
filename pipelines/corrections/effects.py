"""What corrections do to a build: which crops go or stay, which names are one person or two."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import pyarrow as pa

from pipelines.corrections.correction import (
    OUTCOMES,
    Correction,
    PersonReference,
    Verdict,
)
from pipelines.corrections.locating import Located, LocatedCrop, ReadColumns, locate
from pipelines.identity.adjustments import Adjustments, NameGroups, NamePair

#: The table beside those of identities.
CORRECTIONS = "corrections.parquet"
TABLE = pa.schema(
    [
        ("id", pa.string()),
        ("verdict", pa.string()),
        ("state", pa.string()),
        ("rows", pa.int32()),
        ("by", pa.string()),
    ]
)


class State(StrEnum):
    """What came of a correction.

    It holds; its pictures or people are not there; a later one contradicts it; or it keeps a
    picture of a name of whom no face is known, so that nobody can tell whether it is in a gallery.
    """

    HOLDS = "holds"
    GONE = "gone"
    CONTRADICTED = "contradicted"
    NO_FACE = "no-face"


@dataclass(frozen=True)
class Effect:
    """What came of one correction.

    rows: pictures that it decides about, or pairs of names. by: the id of the later correction that
    contradicts it, or "".
    """

    correction: Correction
    state: State
    rows: int = 0
    by: str = ""


@dataclass(frozen=True)
class Effects:
    """What the corrections in force do to a build, and what came of each, in their order."""

    adjustments: Adjustments
    each: tuple[Effect, ...]

    def without_faces(self, crops: Collection[str]) -> "Effects":
        """The same where these crops cannot be kept, as no face of their names is known."""
        lost = Counter(self.adjustments.because[crop] for crop in crops)
        each = [
            replace(one, state=State.NO_FACE, rows=0)
            if one.rows and lost[one.correction.id] == one.rows
            else one
            for one in self.each
        ]
        return Effects(self.adjustments, tuple(each))

    def table(self) -> pa.Table:
        """As rows of TABLE; they name nobody."""
        rows = [
            {
                "id": one.correction.id,
                "verdict": one.correction.verdict.value,
                "state": one.state.value,
                "rows": one.rows,
                "by": one.by,
            }
            for one in self.each
        ]
        return pa.Table.from_pylist(rows, TABLE)


def effects_in(
    shards: Iterable[str], corrections: Sequence[Correction], read: ReadColumns
) -> Effects:
    """What corrections in force mean for a build with these shards."""
    references = [reference for one in corrections for reference in one.references]
    return effects_of(corrections, locate(references, shards, read))


def effects_of(corrections: Sequence[Correction], located: Located) -> Effects:
    """Work out what corrections in force mean for a build in which their pictures are `located`.

    Of two that contradict each other the later one holds.
    """
    judged = _Judgements(located)
    found = {one.id: judged.take(one) for one in reversed(corrections)}  # the latest first
    return Effects(judged.adjustments(), tuple(found[one.id] for one in corrections))


class _Judgements:
    """Takes corrections, the latest first; an earlier one that contradicts is not taken."""

    def __init__(self, located: Located) -> None:
        self._located = located
        self._of_crop: dict[str, Correction] = {}
        self._places: dict[str, LocatedCrop] = {}
        self._links: dict[NamePair, Correction] = {}
        self._groups = NameGroups()

    def take(self, one: Correction) -> Effect:
        if one.verdict in (Verdict.ONE_PERSON, Verdict.TWO_PEOPLE):
            return self._take_link(one)
        return self._take_crops(one)

    def adjustments(self) -> Adjustments:
        out: dict[str, str] = {}
        keep: dict[str, dict[str, str]] = defaultdict(dict)
        for crop, one in self._of_crop.items():
            if one.verdict == Verdict.KEEP:
                keep[self._places[crop].shard][crop] = self._places[crop].name
            else:
                out[crop] = OUTCOMES[one.verdict]
        links = {
            verdict: frozenset(pair for pair, one in self._links.items() if one.verdict == verdict)
            for verdict in (Verdict.ONE_PERSON, Verdict.TWO_PEOPLE)
        }
        return Adjustments(
            out,
            dict(keep),
            links[Verdict.ONE_PERSON],
            links[Verdict.TWO_PEOPLE],
            {crop: one.id for crop, one in self._of_crop.items()},
        )

    def _take_crops(self, one: Correction) -> Effect:
        places = [place for crop in one.crops for place in self._located.get(crop, ())]
        if one.verdict in (Verdict.NOT_THIS_PERSON, Verdict.KEEP):
            # A picture may stand under several names: only the person that was meant is judged.
            # Where nothing is left to tell who that was, the picture is judged under all names.
            meant = _names(one.person, self._located)
            places = [place for place in places if not meant or place.name in meant]
        if one.verdict == Verdict.KEEP:
            # The same bytes under two URLs are one picture, which is kept once for each name.
            first = {place.name: place for place in sorted(places, key=_crop, reverse=True)}
            places = list(first.values())
        if not places:
            return Effect(one, State.GONE)
        rows, by, is_said = 0, "", False
        for place in places:
            later = self._of_crop.setdefault(place.crop, one)
            self._places[place.crop] = place
            if later is one:
                rows += 1
            elif (later.verdict == Verdict.KEEP) != (one.verdict == Verdict.KEEP):
                by = later.id
            else:
                is_said = True  # by a later one, which counts
        holds = rows or is_said
        return Effect(one, State.HOLDS if holds else State.CONTRADICTED, rows, by)

    def _take_link(self, one: Correction) -> Effect:
        first, second = (_names(person, self._located) for person in (one.person, one.other))
        common = first & second
        pairs = sorted(
            {
                (min(a, b), max(a, b))
                for a in first
                for b in second
                if a != b and not (one.verdict == Verdict.TWO_PEOPLE and {a, b} & common)
            }
        )
        if not pairs:
            return Effect(one, State.GONE)
        rows, by = 0, ""
        for pair in pairs:
            against = self._against(pair, one.verdict)
            if against is None:
                self._links.setdefault(pair, one)
                rows += 1
                if one.verdict == Verdict.ONE_PERSON:
                    self._groups.join(pair)
            else:
                by = against.id
        return Effect(one, State.HOLDS if rows else State.CONTRADICTED, rows, by)

    def _against(self, pair: NamePair, verdict: Verdict) -> Correction | None:
        """A later correction that rules out that this pair is one person, or two; also by way of
        other names: if a is b and b is c, a is c."""
        groups = self._groups
        a, b = (groups.root(name) for name in pair)
        if verdict == Verdict.TWO_PEOPLE:
            if a != b:
                return None
            return next(
                one
                for link, one in self._links.items()
                if one.verdict == Verdict.ONE_PERSON and groups.root(link[0]) == a
            )
        for (c, d), one in self._links.items():
            if one.verdict == Verdict.TWO_PEOPLE and {groups.root(c), groups.root(d)} == {a, b}:
                return one
        return None


def _crop(place: LocatedCrop) -> str:
    return place.crop


def _names(person: PersonReference, located: Located) -> set[str]:
    """The names that a person bears in this build.

    The pictures of one of his names may also stand under others; most of them say which is meant.
    """
    out = set()
    for pictures in person:
        counts = Counter(place.name for one in pictures for place in located.get(one, ()))
        if counts:
            most = max(counts.values())
            out.add(min(name for name, count in counts.items() if count == most))
    return out
