"""Which crops a page shows: filters, order and page, as they stand in its address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from pipelines.outcomes import STAGES_OF
from pipelines.viewer.index.shard_rows import flag_columns
from webbody.errors import WebbodyError

#: Texts that are compared as they are.
_TEXTS = ("name", "domain", "split", "shard", "sample", "digest")
#: Outcomes, of which the first parts are enough: `identity` is every outcome that begins so.
_OUTCOMES = {"outcome": "outcome", "row": "row_outcome"}
#: Figures that can be bounded and sorted by, with what they are called.
FIGURES = {
    "similarity": "similarity to the name's centre",
    "decided": "similarity that decided",
    "person_score": "score of the person",
    "face_score": "score of the face",
    "face_norm": "norm of the face's feature",
    "face_size": "size of the face in pixels",
    "side": "shorter side of the crop in pixels",
    "points": "visible keypoints, of 19",
    "lower_points": "visible keypoints of hips and legs, of 6",
    "links": "similar faces of the name",
    "bytes": "bytes of the picture",
    "image_width": "width of the picture in pixels",
    "image_height": "height of the picture in pixels",
    "text_share": "share of the photo under text",
    "texture": "fine texture of the person",
}
_LOOKS = ("crops", "faces", "photos")
PAGE = 60
#: People of a lasso or a list in an address, at most.
_MOST_PEOPLE = 20_000
_LAST_PAGE = 1_000_000


@dataclass(frozen=True)
class Selection:
    """Crops by what an address says; `given` holds its parameters that mean something here.

    where: an SQL condition over `crops` with a `?` for each of `values`.
    """

    where: str
    values: tuple[Any, ...]
    order: str
    page: int
    look: str
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """The parameters as part of an address."""
        return urlencode(self.given)

    def address(self, **changes: str | int | None) -> str:
        """The address of the grid with some parameters changed; None leaves one out."""
        kept = {k: v for k, v in self.given.items() if k != "page" and k not in changes}
        kept |= {k: str(v) for k, v in changes.items() if v not in (None, "")}
        return f"/grid?{urlencode(kept)}"


def read_selection(
    parameters: Mapping[str, str],
    columns: Mapping[str, str],
    people_in: Sequence[int] | None = None,
) -> Selection:
    """The selection of an address.

    Args:
        parameters: Of the address; those that say nothing here are left out.
        columns: Of the index, with their types.
        people_in: People that a lasso encloses.

    Raises:
        WebbodyError: A value makes no sense.
    """
    given: dict[str, str] = {}
    terms: list[str] = []
    values: list[Any] = []

    def add(name: str, term: str, *found: Any) -> None:
        given[name] = parameters[name]
        terms.append(term)
        values.extend(found)

    for name, value in parameters.items():
        if value == "":
            continue
        if name in _TEXTS:
            add(name, f"{name} = ?", value)
        elif name in _OUTCOMES:
            column = _OUTCOMES[name]
            add(name, f"({column} = ? OR starts_with({column}, ?))", value, f"{value}:")
        elif name == "stage":
            starts = [f"{start}:" for start in STAGES_OF.get(value, ("?",))]
            one = " OR ".join("starts_with(outcome || ':', ?)" for _ in starts)
            add(name, f"({one})", *starts)
        elif name == "person":
            people = [whole(name, part) for part in value.split(",")][:_MOST_PEOPLE]
            add(name, "person IN (SELECT unnest(?::BIGINT[]))", people)
        elif name == "find":
            add(name, "(url = ? OR key = ? OR crop = ? OR sample = ? OR contains(lower(name), ?))",
                value, value, value, value, value.lower())  # fmt: skip
        elif name.startswith(("min_", "max_")) and name[4:] in figures(columns):
            sign = ">=" if name.startswith("min_") else "<="
            add(name, f"{name[4:]} {sign} ?", _real(name, value))
        elif name in flag_columns(columns) and columns[name] == "BOOLEAN":
            add(name, f"{name} IS {'TRUE' if value == '1' else 'NOT TRUE'}")
        elif name == "lasso" and people_in is not None:
            add(name, "person IN (SELECT unnest(?::BIGINT[]))", list(people_in)[:_MOST_PEOPLE])
    order = _order(parameters.get("sort", ""), columns, given)
    look = parameters.get("look", "")
    if look in _LOOKS[1:]:
        given["look"] = look
    page = page_number(parameters.get("page", ""))
    where = " AND ".join(terms) or "TRUE"
    return Selection(where, tuple(values), order, page, given.get("look", "crops"), given)


def page_number(text: str) -> int:
    """The number of a page of an address, 1 without any; WebbodyError where it is none."""
    page = whole("page", text or "1")
    if not 1 <= page <= _LAST_PAGE:
        raise WebbodyError(f"page={page}: pages begin with 1; correct the address.")
    return page


def figures(columns: Mapping[str, str]) -> dict[str, str]:
    """The figures of an index with what they are called."""
    flags = {
        name: name.removeprefix("flag_").replace("_", " ")
        for name in flag_columns(columns)
        if columns[name] != "BOOLEAN"
    }
    return FIGURES | flags


def _order(sort: str, columns: Mapping[str, str], given: dict[str, str]) -> str:
    name = sort.removeprefix("-")
    if name not in figures(columns):
        return "shard, place"
    given["sort"] = sort
    return f"{name} {'DESC' if sort.startswith('-') else 'ASC'} NULLS LAST, tie"


def whole(name: str, text: str) -> int:
    """A whole number of an address; WebbodyError where it is none."""
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()):
        raise WebbodyError(f"{name}={text[:40]!r} is no whole number; correct the address.")
    number = int(text) if len(text) <= 20 else 1 << 63
    if abs(number) >= 1 << 63:
        raise WebbodyError(f"{name}={text[:40]!r} is too large; correct the address.")
    return number


def _real(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise WebbodyError(f"{name}={text[:40]!r} is no number; correct the address.") from None
