"""Opt-outs in response headers: X-Robots-Tag and tdm-reservation."""

from collections.abc import Collection
from email.message import Message

#: Directives that carry a value after a colon; what stands before the colon is no robot's name.
_VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}


def opted_out(headers: Message, directives: Collection[str], token: str) -> str | None:
    """The header that forbids the use of a response, or None.

    `directives` (lower case) are those honoured, none of them means that nothing is asked; `token`
    is the name by which a header may address us. A header line is a comma list; `name:` in it
    scopes what follows to that robot. `none` stands for noindex. See Google's robots meta tag
    specification, and the TDM Reservation Protocol, section 4.1.
    """
    if not directives:
        return None
    for reservation in headers.get_all("tdm-reservation", []):
        if str(reservation).strip() == "1":
            return "tdm-reservation: 1"
    for line in headers.get_all("x-robots-tag", []):
        scope = None
        for part in str(line).lower().split(","):
            name, colon, rest = part.partition(":")
            if colon and name.strip() in _VALUED:
                continue
            if colon:
                scope = name.strip()
            directive = (rest if colon else part).strip()
            if scope not in (None, "*", token.lower()):
                continue
            if directive in directives or (directive == "none" and "noindex" in directives):
                return f"x-robots-tag: {directive}"
    return None
