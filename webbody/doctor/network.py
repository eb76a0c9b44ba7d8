"""The network: host names a second, certificates, proxies, the clock."""

import os
import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from email.utils import parsedate_to_datetime
from http.client import HTTPSConnection
from urllib.parse import urlsplit

from webbody.doctor.diagnosis import OK, PROBLEM, SKIPPED, WARNING, Diagnosis

_HOSTS = 100
_DNS_SECONDS = 5.0
_FEW_A_SECOND = 20.0
#: webbody did not exist before, and certificates made today are not valid for ever.
_YEARS = range(2026, 2050)
_CLOCK_SECONDS = 300


def hosts_of(urls: Sequence[str]) -> list[str]:
    """Different host names of URLs, at most 100, drawn at random; addresses are left out."""
    names: dict[str, None] = {}
    for url in urls:
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:
            continue
        if host and ":" not in host and not host.replace(".", "").isdigit():
            names[host] = None
    return random.Random(0).sample(sorted(names), min(_HOSTS, len(names)))


def names(
    hosts: Sequence[str], resolve: Callable[[str], object] | None = None
) -> Iterator[Diagnosis]:
    """How many host names a second are resolved, 16 at a time."""
    if not hosts:
        text = "no host names to ask for: give --manifest with URLs on the web"
        yield Diagnosis(SKIPPED, "DNS", text)
        return
    ask = resolve or (lambda host: socket.getaddrinfo(host, 443, proto=socket.IPPROTO_TCP))
    pool = ThreadPoolExecutor(16)
    began = time.perf_counter()
    asked = [pool.submit(ask, host) for host in hosts]
    done, late = wait(asked, timeout=_DNS_SECONDS)
    seconds = max(time.perf_counter() - began, 1e-3)
    pool.shutdown(wait=False, cancel_futures=True)
    found = sum(one.exception() is None for one in done)
    text = f"{found} of {len(hosts)} hosts of the manifest found, {found / seconds:.0f} a second"
    if not found:
        advice = "This machine is offline, or its name server does not answer."
        yield Diagnosis(PROBLEM, "DNS", text, advice)
    elif late or found / seconds < min(_FEW_A_SECOND, len(hosts) / 2):
        advice = "Run a caching resolver on this machine (unbound, systemd-resolved)."
        yield Diagnosis(WARNING, "DNS", text, advice)
    else:
        yield Diagnosis(OK, "DNS", text)


def certificates() -> Iterator[Diagnosis]:
    """Whether there are authorities by which HTTPS servers can be checked."""
    paths = ssl.get_default_verify_paths()
    here = [path for path in (paths.cafile, paths.capath) if path]  # None where nothing is there
    loaded = ssl.create_default_context().cert_store_stats()["x509_ca"]
    if loaded or (paths.capath and any(os.scandir(paths.capath))):
        yield Diagnosis(OK, "HTTPS", f"certificates of authorities in {', '.join(here)}")
        return
    advice = "Install ca-certificates, or set SSL_CERT_FILE to a file of them."
    yield Diagnosis(PROBLEM, "HTTPS", "no certificates: no HTTPS server can be trusted", advice)


def proxies(environment: Mapping[str, str] = os.environ) -> Iterator[Diagnosis]:
    """Proxy settings, which the download does not follow."""
    found = [
        name for name in ("http_proxy", "https_proxy", "all_proxy")
        if environment.get(name) or environment.get(name.upper())
    ]  # fmt: skip
    if not found:
        yield Diagnosis(OK, "proxy", "none is set; images are fetched directly")
        return
    advice = "Where only the proxy leads outside, the download cannot work; models can be fetched."
    text = f"{', '.join(found)} set, but images are fetched directly from checked addresses"
    yield Diagnosis(WARNING, "proxy", text, advice)


def clock(now: float | None = None) -> Iterator[Diagnosis]:
    """Whether the year can be right: HTTPS fails where it is not."""
    year = time.gmtime(now).tm_year
    fits = year in _YEARS
    advice = "" if fits else "Set the clock (timedatectl, NTP): certificates fail the check."
    yield Diagnosis(OK if fits else PROBLEM, "clock", f"the year is {year}", advice)


def one_host(
    hosts: Sequence[str], ask: Callable[[str], str | None] | None = None
) -> Iterator[Diagnosis]:
    """HTTPS to one host of the manifest, and its clock beside ours."""
    if not hosts:
        text = "no host to try: give --manifest with URLs on the web"
        yield Diagnosis(SKIPPED, "HTTPS to a host", text)
        return
    failures = []
    for host in hosts[:3]:
        try:
            date = (ask or _date)(host)
        except OSError as error:  # also of certificates
            failures.append(f"{host}: {error}")
        else:
            yield Diagnosis(OK, "HTTPS to a host", f"{host} answers, its certificate is trusted")
            yield from _beside(date)
            return
    advice = "A firewall, a proxy that opens HTTPS, or hosts that are gone: try one in a browser."
    yield Diagnosis(WARNING, "HTTPS to a host", "; ".join(failures)[:300], advice)


def _date(host: str) -> str | None:
    """The Date of a host's answer; only of public addresses."""
    from pipelines.fetching.addresses import is_public

    address = str(socket.getaddrinfo(host, 443, proto=socket.IPPROTO_TCP)[0][4][0])
    if not is_public(address):
        raise OSError(f"has the private address {address}")
    connection = HTTPSConnection(host, timeout=4)
    plain = socket.create_connection((address, 443), timeout=4)
    connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    try:
        connection.request("HEAD", "/", headers={"User-Agent": "webbody"})
        return connection.getresponse().getheader("Date")
    finally:
        connection.close()


def _beside(date: str | None) -> Iterator[Diagnosis]:
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return
    apart = abs(theirs - time.time())
    fits = apart < _CLOCK_SECONDS
    advice = "" if fits else "Set the clock (timedatectl, NTP)."
    text = f"{apart:.0f} s from that host's"
    yield Diagnosis(OK if fits else WARNING, "clock beside a host's", text, advice)
