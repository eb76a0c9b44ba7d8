"""A correction: what somebody says of pictures, which are named by their content.

Positions, keys and person ids change from build to build; the bytes of a picture and a place in it
do not. So a correction holds after rows were added, with other models and other thresholds, and in
another build of the same pictures.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, with_config

from webbody.json_text import parse_json

_STRICT = ConfigDict(extra="forbid")
Fraction = Annotated[float, Field(ge=-0.01, le=1.01)]
#: Characters of a reason.
LONGEST_WHY = 2000
Text = Annotated[str, StringConstraints(max_length=LONGEST_WHY)]


class Verdict(StrEnum):
    """What a correction says.

    Of pictures of a person: that they show somebody else, are bad, are cut wrongly, are to be kept
    whatever a threshold says, or are right, which changes nothing and counts as reviewed. Of
    people: that they are one, or two. UNDO takes an earlier correction back.
    """

    NOT_THIS_PERSON = "not-this-person"
    BAD_PICTURE = "bad-picture"
    WRONG_BOX = "wrong-box"
    KEEP = "keep"
    RIGHT = "right"
    ONE_PERSON = "one-person"
    TWO_PEOPLE = "two-people"
    UNDO = "undo"


#: Verdicts that take a picture out of the build, and the outcomes that they give it.
OUTCOMES = {
    verdict: f"corrected:{verdict}"
    for verdict in (Verdict.NOT_THIS_PERSON, Verdict.BAD_PICTURE, Verdict.WRONG_BOX)
}
#: Verdicts of single pictures, and of people.
OF_PICTURES = (*OUTCOMES, Verdict.KEEP, Verdict.RIGHT)
OF_PEOPLE = (Verdict.ONE_PERSON, Verdict.TWO_PEOPLE)


@with_config(_STRICT)
@dataclass(frozen=True)
class CropReference:
    """A person in a picture.

    sha256: of the picture's bytes (hex). area: left, top, right, bottom of the crop as fractions of
    the upright picture.
    """

    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    area: tuple[Fraction, Fraction, Fraction, Fraction]


#: What stands in every line.
_ALWAYS = ("id", "number", "when", "who", "verdict")

#: A person, by some pictures of each of the names that he bears.
PersonReference = tuple[tuple[CropReference, ...], ...]


@with_config(_STRICT)
@dataclass(frozen=True)
class Correction:
    """What somebody said, when and why.

    Attributes:
        id: Its name, 16 hex digits.
        number: Greater than those of all corrections that its author could see: the later of two
            that contradict each other holds.
        when: Date and time in UTC, such as 2026-11-30T20:15:00Z.
        who: As the author called themselves.
        verdict: What it says.
        why: In the author's words.
        crops: The pictures that it speaks of.
        person: Whom those pictures were said to show; or the first of two people.
        other: The second of two people.
        undoes: The id of the correction that is taken back.
    """

    id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
    number: Annotated[int, Field(ge=1)]
    when: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    who: Annotated[str, StringConstraints(max_length=200)]
    verdict: Verdict
    why: Text = ""
    crops: tuple[CropReference, ...] = ()
    person: PersonReference = ()
    other: PersonReference = ()
    undoes: str = ""

    @property
    def references(self) -> tuple[CropReference, ...]:
        """Every picture that it names."""
        of_people = (one for person in (self.person, self.other) for name in person for one in name)
        return (*self.crops, *of_people)

    def to_line(self) -> bytes:
        """Its line of a file."""
        values = asdict(self)
        values = {k: value for k, value in values.items() if k in _ALWAYS or value not in ("", ())}
        return json.dumps(values, ensure_ascii=False).encode() + b"\n"


_CORRECTIONS = TypeAdapter(Correction)


def parse_correction(line: bytes) -> Correction:
    """The correction of a line; ValueError if it is none."""
    return _CORRECTIONS.validate_python(parse_json(line))


def in_force(corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """Those that change a build: not taken back, and not merely a word of praise; in order."""
    undone = {one.undoes for one in corrections if one.verdict == Verdict.UNDO}
    idle = (Verdict.UNDO, Verdict.RIGHT)
    return tuple(one for one in corrections if one.verdict not in idle and one.id not in undone)


def detail_of(correction_id: str) -> str:
    """What stands in a table where a correction decided."""
    return f"correction {correction_id}"


def digest(corrections: Sequence[Correction]) -> str:
    """A sha256 (hex) of what corrections in force say; "" of none.

    Who said it, when and why is not part of it: only what decides a build.
    """
    if not corrections:
        return ""
    said = [
        [one.id, one.number, one.verdict, asdict(one)["crops"], asdict(one)["person"],
         asdict(one)["other"]]
        for one in corrections
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
