"""Corrections that come from the pages: read from a form, said of the build."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.corrections.correction import OF_PEOPLE, OF_PICTURES, Correction, Verdict
from pipelines.corrections.corrector import Corrector
from pipelines.corrections.journal import Journal
from webbody.errors import WebbodyError
from webbody.plain_text import counted

#: Pictures that are corrected at once, at most: a page has fewer.
_MOST = 500


@dataclass(frozen=True)
class Asked:
    """What a form asks for: a verdict on pictures (keys of crops), on two people, or to undo."""

    verdict: str
    items: Sequence[str] = ()
    first: Sequence[str] = ()
    second: Sequence[str] = ()
    undo: Sequence[str] = ()
    why: str = ""


@dataclass(frozen=True)
class Answered:
    """What was written: a sentence, and the ids of the corrections."""

    sentence: str
    ids: Sequence[str]


class Editing:
    """Says what the pages' forms ask for, one at a time; one file of corrections per server."""

    def __init__(self, out: str, who: str = "") -> None:
        self._out, self._who = out, who
        self._lock = threading.Lock()
        self._journal: Journal | None = None

    def say(self, asked: Asked) -> Answered:
        """Write what a form asks for.

        Raises WebbodyError where it makes no sense; nothing was written then.
        """
        if asked.verdict not in list(Verdict):
            raise WebbodyError(f"{asked.verdict[:40]!r}: is nothing that can be said.")
        if len(asked.items) > _MOST or len(asked.undo) > _MOST:
            raise WebbodyError(f"More than {_MOST} at once: select fewer.")
        if len(asked.why) > 2000:
            raise WebbodyError("The reason has more than 2,000 characters: shorten it.")
        with self._lock:
            corrector = Corrector(self._out, self._who)  # of the build as it is now
            if self._journal is not None:
                corrector.journal = self._journal
            self._journal = corrector.journal
            said = self._said(corrector, Verdict(asked.verdict), asked)
        verb = "taken back" if asked.verdict == Verdict.UNDO else "written"
        return Answered(f"{counted(len(said), 'correction')} {verb}.", [one.id for one in said])

    def _said(self, corrector: Corrector, verdict: Verdict, asked: Asked) -> list[Correction]:
        if verdict == Verdict.UNDO:
            if not asked.undo:
                raise WebbodyError(f"{verdict}: say which correction is taken back.")
            return corrector.undo(asked.undo, asked.why)
        if verdict in OF_PICTURES:
            if not asked.items:
                raise WebbodyError(f"{verdict}: select the pictures of which it is said.")
            return corrector.of_pictures(verdict, list(asked.items), asked.why)
        assert verdict in OF_PEOPLE
        names = []
        for side in (asked.first, asked.second):
            names.append([name for item in side for name in corrector.lookup.person(item)])
            if not names[-1]:
                raise WebbodyError(f"{verdict}: is said of two people.")
        return [corrector.of_people(verdict, names[0], names[1], asked.why)]
