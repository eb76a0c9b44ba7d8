"""Hosts' own rules (robots.txt and others): fetched once per host and day, cached."""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipelines.fetching.errors import FetchError
from pipelines.fetching.robots import AI_AGENTS, Robots, ai_txt_forbids, tdmrep_forbids
from pipelines.fetching.transport import Clock
from webbody.checked_json import CHECK, checked_json, is_altered
from webbody.config import DownloadSettings
from webbody.json_text import parse_json
from webbody.storage import Folder
from webbody.storage_errors import UnreadableFile

#: Seconds for which a file holds (RFC 9309, section 2.4), and for which it is not asked for again
#: where the server could not tell.
_DAY, _PAUSE = 86_400.0, 600.0
#: Hosts whose files are held in memory.
_MOST = 20_000
#: The folder of the kept files inside a build.
FOLDER = "sites"

#: How a host fails that can be reached.
_BROKEN_OFF = {"download:reset", "download:truncated", "download:error"}

#: Status (0: not asked for) and text of each file.
_Files = dict[str, tuple[int, str]]
#: Fetches a URL with redirects: status and text.
Fetch = Callable[[str, Clock], tuple[int, str]]


@dataclass
class _Site:
    """The files of a host and until when they hold."""

    files: _Files
    until: float
    robots: Robots


class SiteRules:
    """Whether the files of a URL's host allow its use; for many threads.

    fetch: gets a file. store: the build folder, where files are kept for other workers and runs;
    None keeps them in memory alone.
    """

    def __init__(self, settings: DownloadSettings, fetch: Fetch) -> None:
        self._settings, self._fetch = settings, fetch
        self.store: Folder | None = None
        others = [AI_AGENTS if one == "ai" else (one,) for one in settings.robots_agents]
        self._agents = (settings.user_agent.split("/")[0], *(a for some in others for a in some))
        respected = {
            "robots.txt": settings.robots,
            ".well-known/tdmrep.json": settings.tdmrep,
            "ai.txt": settings.ai_txt,
        }
        self._names = [name for name, respect in respected.items() if respect == "respect"]
        self._known: OrderedDict[str, _Site] = OrderedDict()
        self._busy: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def check(self, url: str, clock: Clock) -> float:
        """Seconds that the host wants between requests; raises what its files forbid.

        FetchError `download:robots` where a file forbids the URL, `download:robots-unreachable`
        where the server fails to give its robots.txt, which means no (RFC 9309, section 2.3.1.4).
        """
        if not self._names:
            return 0.0
        site = self._of(url, clock)
        status = site.files.get("robots.txt", (0, ""))[0]
        if status == 429 or status >= 500:
            raise FetchError("download:robots-unreachable", f"robots.txt: http-{status}")
        if why := self._forbidden(site, url):
            raise FetchError("download:robots", why)
        delay = site.robots.crawl_delay()
        if delay > self._settings.max_crawl_delay:
            raise FetchError("download:robots", f"robots.txt: crawl-delay of {delay:g} s")
        return delay

    def _forbidden(self, site: _Site, url: str) -> str | None:
        files = site.files
        if why := site.robots.forbids(url, usage=bool(self._settings.opt_out)):
            return why
        if why := tdmrep_forbids(files.get(".well-known/tdmrep.json", (0, ""))[1], url):
            return why
        text = files.get("ai.txt", (0, ""))[1]
        return ai_txt_forbids(text, url, self._agents[0]) if text else None

    def _of(self, url: str, clock: Clock) -> _Site:
        """The files of a URL's host, asked for by one thread while the others wait."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            site = self._known.get(origin)
            if site is not None and _holds(site.until):
                self._known.move_to_end(origin)
                return site
            lock = self._busy.setdefault(origin, threading.Lock())
        started = time.monotonic()
        with lock:
            clock.pause(time.monotonic() - started)
            with self._lock:
                site = self._known.get(origin)
            if site is None or not _holds(site.until):
                site = self._read(origin, clock)
                with self._lock:
                    self._known[origin] = site
                    self._busy.pop(origin, None)
                    if len(self._known) > _MOST:
                        self._known.popitem(last=False)
            return site

    def _read(self, origin: str, clock: Clock) -> _Site:
        files, until = self._kept(origin)
        missing = [name for name in self._names if name not in files]
        if missing:
            for name in missing:
                files[name] = self._ask(origin, name, clock)
            failed = any(status == 429 or status >= 500 for status, _ in files.values())
            until = min(until, time.time() + (_PAUSE if failed else _DAY))
            if not failed:
                self._keep(origin, files, until)
        text = files.get("robots.txt", (0, ""))[1] if "robots.txt" in self._names else ""
        mine = {name: files[name] for name in self._names}
        return _Site(mine, until, Robots(text, self._agents))

    def _ask(self, origin: str, name: str, clock: Clock) -> tuple[int, str]:
        """Status and text of a file; FetchError where its host cannot be reached.

        A host that breaks off over its robots.txt has failed to give it; over another file it has
        said nothing.
        """
        try:
            status, text = self._fetch(f"{origin}/{name}", clock)
        except FetchError as error:
            itself = error.host == urlsplit(origin).netloc  # not where a redirect led
            if itself and error.outcome not in _BROKEN_OFF:
                raise
            if name != "robots.txt":
                return 0, ""
            found = FetchError(
                "download:robots-unreachable",
                f"robots.txt: {error}",
                passing=True,
                network=error.network,
            )
            found.host = error.host
            raise found from error
        return status, text if 200 <= status < 300 else ""

    def _kept(self, origin: str) -> tuple[_Files, float]:
        """The files that another worker or run asked for, while they hold."""
        if self.store is None:
            return {}, time.time() + _DAY
        try:
            data = self.store.read(_name(origin))
            kept = parse_json(data)
            if CHECK not in kept or is_altered(data, kept):  # one byte may turn a rule round
                raise ValueError("a kept file was changed")
            until = float(kept["until"])
            files = {name: (int(status), str(text)) for name, (status, text) in kept["files"]}
        except (OSError, UnreadableFile, ValueError, KeyError, TypeError):
            # None, or damaged: it is asked for.
            return {}, time.time() + _DAY
        return (files, until) if _holds(until) else ({}, time.time() + _DAY)

    def _keep(self, origin: str, files: _Files, until: float) -> None:
        if self.store is not None:
            kept = {"origin": origin, "until": round(until), "files": list(files.items())}
            self.store.cache_bytes(_name(origin), checked_json(kept, redact=False))


def _holds(until: float) -> bool:
    """Whether files may be used that hold up to a moment, also where a clock was wrong by years."""
    return 0 < until - time.time() < _DAY + _PAUSE


def _name(origin: str) -> str:
    digest = hashlib.blake2b(origin.encode(), digest_size=10).hexdigest()
    return f"{FOLDER}/{digest[:2]}/{digest[2:]}.json"
