"""Which failures are retried: temporary ones, by name, by age."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webbody.errors import WebbodyError

#: Temporary failures: the same request may succeed later.
_PASSING = re.compile(
    r"download:(refused|reset|timeout|deadline|truncated|unreachable|dns-failed|dns-timeout"
    r"|robots-unreachable|http-(408|425|429|5(?!01|05)\d\d))"
)
#: What owners or this build's own guards forbid is never asked again by its age alone.
_REFUSED = re.compile(r"download:(opt-out|robots|scheme|private-address|hash-mismatch)")
_ASKED = re.compile(r"(download|image):[a-z0-9-]+")
_AGE = re.compile(r"older than (\d+(?:\.\d+)?) ?(m|h|d|minutes?|hours?|days?)")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
PASSING = "passing"


def is_passing(outcome: str) -> bool:
    """Whether an outcome is a temporary failure, such as download:timeout."""
    return _PASSING.fullmatch(outcome) is not None


@dataclass(frozen=True)
class RetryRule:
    """The outcomes to retry, and the minimum age of the last request.

    Without names, all failures but those decided by owners or guards.
    """

    passing: bool = False
    outcomes: frozenset[str] = frozenset()
    age: timedelta | None = None

    @classmethod
    def of(cls, texts: Iterable[str]) -> "RetryRule | None":
        """The rule of `download.retry`; None for no text. WebbodyError for what is none."""
        passing, outcomes, age = False, set(), None
        words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
        for word in words:
            if found := _AGE.fullmatch(word.lower()):
                age = float(found[1]) * _UNITS[found[2][0]]
            elif word == PASSING:
                passing = True
            elif _ASKED.fullmatch(word):
                outcomes.add(word)
            else:
                raise WebbodyError(
                    f"--retry {word}: give passing, an outcome of the download such as "
                    'download:http-404, or an age such as "older than 30d".'
                )
        return cls(passing, frozenset(outcomes), age) if words else None

    def names(self, outcome: str) -> bool:
        """Whether it asks for such an outcome, whenever that was."""
        if self.passing or self.outcomes:
            return outcome in self.outcomes or (self.passing and is_passing(outcome))
        return bool(_ASKED.fullmatch(outcome)) and not _REFUSED.fullmatch(outcome)

    def covers(self, outcome: str, tried: datetime | None) -> bool:
        """Whether a row of this outcome, asked for the last time at `tried`, is asked again."""
        if not self.names(outcome):
            return False
        if self.age is None or tried is None:
            return True
        now = datetime.now(UTC)
        return tried > now or now - tried >= self.age  # a clock may have been wrong by years
