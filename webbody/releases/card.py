"""The data card of a release: a YAML file by the publisher."""

import re
import textwrap
from collections.abc import Sequence
from datetime import date as Day
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from webbody.config import Section, load_as
from webbody.errors import WebbodyError

_COMMAND = "webbody release --card-template"
_VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){0,2}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def _version(text: Any) -> str:
    if text and not (isinstance(text, str) and _VERSION.fullmatch(text)):
        raise ValueError(f"{text} is no text such as '1.0.0', in quotes")
    return str(text)


def _name(text: str) -> str:
    if text and not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} has other characters than letters, digits, '.', '_' and '-'")
    return text


def _removals(text: str) -> str:
    if text and "://" not in text:
        raise ValueError(f"{text!r} is no URL of a list of removals")
    return text


#: Text in which surrounding blanks say nothing, and text of a single line.
Told = Annotated[str, AfterValidator(str.strip)]
Line = Annotated[str, AfterValidator(lambda text: " ".join(text.split()))]


class Author(Section):
    """Somebody to be cited: a person (family and given names) or an entity (name)."""

    family: Line = ""
    given: Line = ""
    name: Line = ""
    affiliation: Line = ""
    orcid: Line = ""

    @property
    def full_name(self) -> str:
        """The name as it is read."""
        return self.name or f"{self.given} {self.family}".strip()


class Card(Section):
    """The publisher's statements on a release; `missing` names required fields that are empty."""

    name: Annotated[str, AfterValidator(_name)] = Field(
        "", description="Short name of the data set: letters, digits, '.', '_' and '-'."
    )
    version: Annotated[str, BeforeValidator(_version)] = Field(
        "", description="Version of this release, such as '1.0.0'. Raise it with every release."
    )
    licence: Line = Field(
        "",
        description="Licence of the list (URLs, labels, boxes), as an SPDX identifier such as "
        "CC-BY-4.0, or its URL. It does not license the pictures: their owners do.",
    )
    contact: Line = Field(
        "",
        description="Where people ask for removal: an e-mail address or the URL of a form. "
        "Somebody must read it for as long as the list is published.",
    )
    purpose: Told = Field("", description="What the data set is made for.")
    out_of_scope: Told = Field("", description="What it must not be used for.")
    legal_basis: Told = Field(
        "",
        description="On what legal basis personal data are processed here (GDPR Art. 6 and 9, or "
        "what holds where you are), and who is responsible. Ask a lawyer.",
    )
    collection: Literal["", "targeted", "untargeted"] = Field(
        "",
        description="targeted: pictures of chosen, named people, found by asking for each of them; "
        "untargeted: pictures of anybody, as a crawler meets them.",
    )
    collected: Told = Field(
        "", description="How the list of URLs and names came about: by whom, when, from where."
    )
    authors: tuple[Author, ...] = Field(
        (),
        description="Whom to cite, such as [{family: Doe, given: Jane, affiliation: "
        "A University}], or [{name: A Group}]; also orcid.",
    )
    title: Line = Field("", description="Optional: the name as people read it.")
    date: Day | None = Field(
        None, description="Optional: day of the release, such as 2026-12-01; without it today."
    )
    homepage: Line = Field("", description="Optional: URL where the release is published.")
    removals: Annotated[Line, AfterValidator(_removals)] = Field(
        "",
        description="Optional: URL of the newest list of removals, if it is kept somewhere else "
        "than in the release.",
    )
    calibration: Told = Field(
        "",
        description="Optional: how the thresholds were found, such as what `webbody calibrate` "
        "measured, and on which pictures.",
    )
    biases: Told = Field("", description="Optional: what is known of biases in the list.")
    notes: Told = Field("", description="Optional: whatever else readers must know.")

    @model_validator(mode="before")
    @classmethod
    def _blank_is_missing(cls, values: Any) -> Any:
        """`purpose:` with nothing behind it is a field that is not filled in yet."""
        if isinstance(values, dict):
            return {name: value for name, value in values.items() if value is not None}
        return values

    @property
    def missing(self) -> tuple[str, ...]:
        """The required fields that are empty."""
        return tuple(name for name in REQUIRED if not getattr(self, name))


REQUIRED = (
    "name", "version", "licence", "contact", "purpose", "out_of_scope", "legal_basis",
    "collection", "collected", "authors",
)  # fmt: skip


def read_card(path: str | Path | None, draft: bool = False) -> Card:
    """Read a card.

    Args:
        path: The YAML file; None for an empty card, which only a draft may have.
        draft: Whether fields may be missing.

    Returns:
        The card.

    Raises:
        WebbodyError: Fields are missing, wrong or unknown; it names them.
    """
    card = load_as(Card, path, listed_by=_COMMAND)
    for number, author in enumerate(card.authors, 1):
        if not author.full_name:
            raise WebbodyError(f"{path}: authors: number {number} has neither a name nor a family.")
    if card.missing and not draft:
        where = f"{path}: missing: " if path else "A release needs a card (--card FILE) that says "
        raise WebbodyError(
            f"{where}{', '.join(card.missing)}; `{_COMMAND}` prints a card to fill in, and --draft "
            "makes a draft without."
        )
    return card


def dated(card: Card, day: str | None) -> Card:
    """The card with another day of release, if one is given as text."""
    if day is None:
        return card
    try:
        return card.model_copy(update={"date": Day.fromisoformat(day)})
    except ValueError as error:
        raise WebbodyError(f"--date {day}: is no day such as 2026-12-01.") from error


def template() -> str:
    """An empty card with comments, ready to be filled in."""
    lines = ["# What a release says of itself. Everything up to `authors` is required.", ""]
    for name, field in Card.model_fields.items():
        lines += textwrap.wrap(field.description or "", 96, initial_indent="# ",
                               subsequent_indent="# ")  # fmt: skip
        lines += [f"{name}: {_empty(field.default)}", ""]
    return "\n".join(lines)


def _empty(value: str | Sequence[str] | None) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n...\n").strip() or '""'
