"""Metadata of a response: date, version, reserved rights.

Releases publish it, so that others can tell whether a picture changed and what its owner allowed.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.message import Message

from pipelines.fetching.opt_out import opted_out

#: Headers by which owners state allowed uses.
_RIGHTS = ("X-Robots-Tag", "tdm-reservation", "tdm-policy", "Content-Usage")
#: Every directive that reserves the use for training, whichever of them a build honours.
_RESERVING = frozenset(
    {"noai", "noimageai", "noml", "noimageml", "noindex", "noimageindex"}
)  # fmt: skip
#: Limits on stored characters of a header and lines of a response.
_LONGEST, _LINES = 500, 20
#: An entity tag (RFC 9110, section 8.8.3); a longer one says nothing when it is cut.
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,200}"')
_DATE = re.compile(r"[A-Za-z0-9,: +-]{1,60}")


@dataclass(frozen=True)
class ResponseHeaders:
    """Of the last answer to a URL the day (UTC), ETag and Last-Modified; `rights` of them all.

    rights: lines `name: value` of X-Robots-Tag, tdm-reservation, tdm-policy and Content-Usage, of
    redirects too.
    """

    fetched: date
    etag: str | None
    last_modified: str | None
    rights: tuple[str, ...]


def read_headers(headers: Message, before: ResponseHeaders | None) -> ResponseHeaders:
    """The metadata of a response; `before` is that of the redirect that led to it."""
    lines = list(before.rights) if before else []
    for name in _RIGHTS:
        for value in headers.get_all(name, []):
            line = f"{name.lower()}: {str(value).strip()}"[:_LONGEST]
            lines += [line] * (line not in lines)
    return ResponseHeaders(
        datetime.now(UTC).date(),
        _matching(_ETAG, headers.get("ETag")),
        _matching(_DATE, headers.get("Last-Modified")),
        tuple(line.encode("utf-8", "replace").decode() for line in lines[:_LINES]),
    )


def opted_out_by(
    said: ResponseHeaders | None, directives: Collection[str], user_agent: str
) -> str | None:
    """The header among `said.rights` that forbids the use, as `opted_out` reads it; or None."""
    headers = Message()
    for line in said.rights if said else ():
        name, _, value = line.partition(": ")
        headers[name] = value
    return opted_out(headers, {one.strip().lower() for one in directives}, user_agent)


def reservation(rights: Iterable[str], user_agent: str) -> str | None:
    """The lines that reserve the use of a picture, in any known form; None if none does.

    Includes reservations that the build did not honour. rights: as in `ResponseHeaders`.
    """
    return "; ".join(line for line in rights if _reserves(line, user_agent)) or None


def _reserves(line: str, user_agent: str) -> bool:
    return (
        opted_out_by(ResponseHeaders(date.min, None, None, (line,)), _RESERVING, user_agent)
        is not None
    )


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    text = str(value).strip() if value is not None else ""
    return text if pattern.fullmatch(text) else None
