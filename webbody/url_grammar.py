"""What a URL must look like to be fetched, and the parts of it by which people speak of it."""

import re
from urllib.parse import urlsplit

_URL = re.compile(r"(?i:https?)://[^/?#\s][^\x00-\x1f\x7f]*")


def is_url(text: str) -> bool:
    """Whether a text is an http or https URL without control characters."""
    return _URL.fullmatch(text) is not None


def host_of(url: str) -> str:
    """The host of a URL, in lower case and without a final dot; "" where there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def domains_of(url: str) -> list[str]:
    """The host of a URL and every domain above it: a.b.org, b.org, org."""
    labels = host_of(url).split(".")
    return [".".join(labels[start:]) for start in range(len(labels))] if labels != [""] else []
