"""The corrections of a build folder: files to which lines are only ever added.

Each editor has a file of its own in the folder `corrections`, so that two at once never write the
same one, on a disk as in an object store. What they say together is read in one order.
"""

import getpass
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pipelines.corrections.correction import (
    LONGEST_WHY,
    Correction,
    CropReference,
    PersonReference,
    Verdict,
    parse_correction,
)
from webbody.errors import WebbodyError
from webbody.storage import Folder

FOLDER = "corrections"


def read_corrections(folder: Folder) -> tuple[Correction, ...]:
    """Everything that was said about a build, in order.

    Raises WebbodyError where a line cannot be read: a correction must not get lost unnoticed.
    """
    found: dict[str, Correction] = {}
    for name in sorted(folder.names(FOLDER)):
        if name.endswith(".jsonl"):
            for one in _read_file(folder, f"{FOLDER}/{name}"):
                found.setdefault(one.id, one)  # a copied file says nothing twice
    return in_order(found.values())


def in_order(corrections: Iterable[Correction]) -> tuple[Correction, ...]:
    """Corrections in the order in which they were said, as far as their authors could see."""
    return tuple(sorted(corrections, key=lambda one: (one.number, one.when, one.id)))


def _read_file(folder: Folder, name: str) -> list[Correction]:
    out = []
    for number, line in enumerate(folder.read(name).splitlines(), 1):
        try:
            out.append(parse_correction(line))
        except ValueError:
            raise WebbodyError(
                f"{folder.path(name)}, line {number}: is no correction that this version can "
                "read; restore the file from a copy, or remove the line."
            ) from None
    return out


class Journal:
    """Writes the corrections of one editor; `who` is how they call themselves."""

    def __init__(self, folder: Folder, who: str = "") -> None:
        self._folder = folder
        self.who = _text(who or _user())[:200]
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        self._name = f"{FOLDER}/{stamp}-{secrets.token_hex(4)}.jsonl"

    def read(self) -> tuple[Correction, ...]:
        """Everything that was said so far, by anybody."""
        return read_corrections(self._folder)

    def say(
        self,
        verdict: Verdict,
        *,
        crops: Sequence[CropReference] = (),
        person: PersonReference = (),
        other: PersonReference = (),
        undoes: str = "",
        why: str = "",
    ) -> Correction:
        """Add a correction to the folder; when this returns it is on the disk.

        Raises WebbodyError for a reason that is too long; nothing was written then.
        """
        if len(why) > LONGEST_WHY:
            raise WebbodyError(
                f"The reason has {len(why):,} characters; {LONGEST_WHY:,} are the most."
            )
        number = max((one.number for one in self.read()), default=0) + 1
        one = Correction(
            id=secrets.token_hex(8),
            number=number,
            when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            who=self.who,
            verdict=verdict,
            why=_text(why),
            crops=tuple(crops),
            person=person,
            other=other,
            undoes=undoes,
        )
        self.add([one])
        return one

    def add(self, corrections: Sequence[Correction]) -> None:
        """Add corrections as they are, such as those of another build of the same pictures."""
        new = b"".join(one.to_line() for one in corrections)
        for line in new.splitlines():
            parse_correction(line)  # what cannot be read again must not be written
        # As the file is now: a takedown may have taken something out of it.
        try:
            there = self._folder.read(self._name)
        except FileNotFoundError:
            there = b""
        self._folder.write_bytes(self._name, there + new)


def _text(text: str) -> str:
    """What can be written: a name of the system's may hold bytes that are no text."""
    return text.encode("utf-8", "replace").decode()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
