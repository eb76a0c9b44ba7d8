"""The result of one URL."""

from dataclasses import dataclass
from datetime import datetime

from pipelines.fetching.response_headers import ResponseHeaders


@dataclass
class Fetched:
    """An outcome, or the facts about an image (upright size in pixels).

    answered: what the server said of its answer, if one came. tried, tries: when it was asked for
    the last time (UTC), and how often.
    """

    outcome: str | None = None
    detail: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    headers: ResponseHeaders | None = None
    tried: datetime | None = None
    tries: int = 0

    def rejected(self, outcome: str, detail: str) -> "Fetched":
        """The same URL with an outcome that rejects its picture."""
        return Fetched(outcome, detail, headers=self.headers, tried=self.tried, tries=self.tries)
