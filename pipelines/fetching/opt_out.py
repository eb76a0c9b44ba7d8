"""Opt-outs in response headers: X-Robots-Tag, tdm-reservation and Content-Usage."""

import re
from collections.abc import Collection
from email.message import Message

#: Directives that carry a value after a colon; what stands before the colon is no robot's name.
_VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
#: Names that mean every robot.
_ANYBODY = {"*", "all", "robots", "x-robots-tag"}
_WORD = re.compile(r"[a-z0-9_*.-]+")
#: A usage that a preference of IETF AIPREF denies, such as train-ai=n.
_DENIED = re.compile(r"([a-z][a-z0-9_*.-]*)\s*=\s*[\"']?(?:n|no|\?0)\b")
#: The usage that is not ours: whether a search engine may show a picture.
_SEARCH = "search"


def opted_out(headers: Message, directives: Collection[str], user_agent: str) -> str | None:
    """The header that forbids the use of a response, or None.

    `directives` (lower case) are those honoured, none of them means that nothing is asked; headers
    may address us by the first word of `user_agent`, without its version. A header line is a list
    of directives; `name:` in it scopes what follows to that robot, `none` stands for noindex. See
    Google's robots meta tag specification, the TDM Reservation Protocol, section 4.1, and IETF
    draft-ietf-aipref-attach. However a line is set (blanks, semicolons, quotes, dates with commas),
    a directive in it counts.
    """
    if not directives:
        return None
    for reservation in headers.get_all("tdm-reservation", []):
        if (value := str(reservation).strip(" \t\"';,")) not in ("", "0"):
            return f"tdm-reservation: {value}"
    for preference in headers.get_all("content-usage", []):
        if usage := denied_usage(str(preference)):
            return f"content-usage: {usage}"
    us = next(iter(_WORD.findall(user_agent.lower())), "")
    for line in headers.get_all("x-robots-tag", []):
        if directive := _directive(str(line).lower(), directives, us):
            return f"x-robots-tag: {directive}"
    return None


def denied_usage(preference: str) -> str | None:
    """The usage that a preference such as `search=y, train-ai=n` denies and that may be ours."""
    for found in _DENIED.finditer(preference.lower()):
        if found[1] != _SEARCH:
            return f"{found[1]}=n"
    return None


def _directive(line: str, directives: Collection[str], us: str) -> str | None:
    """The first directive of a line that concerns us."""
    ours = True
    for part in re.split("[,;]", line):
        name, colon, rest = part.partition(":")
        before: list[str] = _WORD.findall(name)
        words: list[str] = _WORD.findall(rest if colon else part)
        first = before[0] if before else ""
        if colon and first in _VALUED:
            words = words[1:]
        elif colon and (first in directives or not first or first[0].isdigit()):
            words = before + words  # no name: a directive with a value, or a date
        elif colon:
            ours = bool({us, *_ANYBODY} & set(before))
        for word in words if ours else ():
            if word in directives or (word == "none" and "noindex" in directives):
                return word
    return None
