"""What a URL must look like to be fetched, and how URLs and domains are written that mean the same.

There are many spellings of an address: capitals, escapes, ports that go without saying. People who
ask for a removal use another one than the list.
"""

import re
from ipaddress import ip_address
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

_URL = re.compile(r"(?i:https?)://[^/?#\s][^\x00-\x1f\x7f]*")
#: Addresses that are in the one spelling already, as most are.
_CANONICAL = re.compile(r"https?://[a-z0-9-]+(\.[a-z0-9-]+)*/[A-Za-z0-9_~!$&'()*+,;=:@./-]*")
_PORTS = {"http": 80, "https": 443}
#: Escapes that are not what they stand for: / ? # % & = + and what no text should hold.
_KEPT_ESCAPE = re.compile(rb"%(2[F356B]|3[DF]|[01][0-9A-F]|7F)", re.IGNORECASE)
_SAFE = "/!$&'()*+,;=:@~-._"
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
#: Second parts under which countries register names, as in co.uk.
_REGISTRIES = frozenset(
    {"ac", "co", "com", "edu", "gen", "go", "gob", "gouv", "gov", "id", "idv", "ind", "info",
     "ltd", "me", "mil", "ne", "net", "nic", "nom", "or", "org", "plc", "sch", "web"}
)  # fmt: skip


def is_url(text: str) -> bool:
    """Whether a text is an http or https URL without control characters."""
    return _URL.fullmatch(text) is not None


def canonical_url(url: str) -> str:
    """The one spelling of an address; what is no URL stays as it is.

    Small letters in scheme and host (in ASCII, as IDNA has it), no port that goes without saying,
    no user, no fragment; of path and query the same escapes, in UTF-8, and no `.` and `..`.
    """
    if _CANONICAL.fullmatch(url) and "/." not in url:
        return url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    scheme, host = parts.scheme.lower(), canonical_host(parts.hostname or "")
    if scheme not in _PORTS or not host:
        return url
    if ":" in host:
        host = f"[{host}]"
    place = host if port in (None, _PORTS[scheme]) else f"{host}:{port}"
    path = _without_dots(_escaped(parts.path) or "/")
    return f"{scheme}://{place}{path}" + (f"?{_escaped(parts.query, '?')}" if parts.query else "")


def canonical_host(host: str) -> str:
    """A host in small letters, in ASCII, without a final dot."""
    host = host.lower().rstrip(".")
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode().rstrip(".")
    except UnicodeError:
        return host


def host_of(url: str) -> str:
    """The host of a URL, as `canonical_host` writes it; "" where there is none."""
    try:
        return canonical_host(urlsplit(url).hostname or "")
    except ValueError:
        return ""


def domains_of(url: str) -> list[str]:
    """The host of a URL and every domain above it: a.b.org, b.org, org."""
    host = host_of(url)
    if not host or _is_address(host):
        return [host] if host else []
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def domain_of(text: str) -> str:
    """A domain as `canonical_host` writes it, also of `*.example.org`; "" where it is none."""
    text = text.strip().removeprefix("*.")
    host = canonical_host(text.removeprefix("[").removesuffix("]"))
    if _is_address(host):
        return host
    labels = host.split(".")
    return host if len(host) < 254 and all(map(_LABEL.fullmatch, labels)) else ""


def is_suffix(domain: str) -> bool:
    """Whether a domain is one below which anybody registers names, such as org or co.uk."""
    if _is_address(domain):
        return False
    last = domain.split(".")
    return len(last) == 1 or (len(last) == 2 and len(last[1]) == 2 and last[0] in _REGISTRIES)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _escaped(text: str, safe: str = "") -> str:
    """Text with the same characters escaped whatever was before."""
    out, at = [], 0
    raw = text.encode("utf-8", "surrogateescape")
    for found in _KEPT_ESCAPE.finditer(raw):
        out.append(quote_from_bytes(unquote_to_bytes(raw[at : found.start()]), _SAFE + safe))
        out.append(found[0].decode().upper())
        at = found.end()
    out.append(quote_from_bytes(unquote_to_bytes(raw[at:]), _SAFE + safe))
    return "".join(out)


def _without_dots(path: str) -> str:
    """A path without the steps `.` and `..` (RFC 3986, section 5.2.4)."""
    if "/." not in path:
        return path
    out: list[str] = []
    steps = path.split("/")[1:]
    for step in steps:
        if step == "..":
            del out[-1:]
        elif step != ".":
            out.append(step)
    return "/" + "/".join([*out, ""] if steps[-1] in (".", "..") else out)
