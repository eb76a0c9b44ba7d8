"""Fetching many URLs: img2dataset schedules, the guarded opener fetches, results keep the order."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pyarrow as pa

from pipelines.fetching.addresses import normalise
from pipelines.fetching.connections import port_of
from pipelines.fetching.errors import FetchError
from pipelines.fetching.fetched import Fetched
from pipelines.fetching.opener import Opener
from pipelines.fetching.outage import Host
from pipelines.fetching.reorder_buffer import ReorderBuffer
from pipelines.fetching.web_access import WebAccess
from webbody.config import DownloadSettings
from webbody.images import ImageError, probe, sniff

#: Takes the number of a URL, its result, and the image's bytes.
Sink = Callable[[int, Fetched, bytes | None], None]


class BulkFetch:
    """img2dataset's downloader, set up to return the fetched bytes unchanged.

    threads: connections at a time. Images that are too large or too small are rejected by their
    headers.
    """

    def __init__(self, settings: DownloadSettings, threads: int) -> None:
        # Without it, importing img2dataset checks a server for updates.
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
        from img2dataset.downloader import Downloader

        self._downloader = Downloader
        self._check = _Check(settings.max_pixels, settings.min_side)
        self._settings, self._threads = settings, threads
        self.access = WebAccess(settings, threads)

    def __call__(self, urls: Sequence[str], sink: Sink, folder: Path, spool: IO[bytes]) -> None:
        """Fetch everything; calls `sink` once for each URL, in order.

        `folder` and `spool` are for temporary files. A URL never raises; exceptions of the sink do,
        and a WebbodyError if the network does not come back.
        """
        results = ReorderBuffer(sink, spool)
        valid_urls: list[tuple[int, str]] = []
        for number, url in enumerate(urls):
            try:
                valid_urls.append((number, normalise(url)))
            except FetchError as error:
                results.put(number, Fetched(error.outcome, error.detail))
        if valid_urls:
            try:
                self._download(round_robin(valid_urls), results, folder)
            finally:
                self.access.hosts.leave()
        for number in results.missing(len(urls)):
            results.put(number, Fetched("download:error", "img2dataset lost this row"))

    def _download(
        self, valid_urls: Sequence[tuple[int, str]], results: ReorderBuffer[Fetched], folder: Path
    ) -> None:
        """Run img2dataset on a list of numbered URLs."""
        listing = folder / "urls.arrow"
        table = pa.table({"url": [url for _, url in valid_urls]})
        with pa.ipc.new_file(listing, table.schema) as file:
            file.write_table(table)
        self.access.outage.begin(host_of(url) for _, url in valid_urls)
        opener = Opener(self._settings, self.access)
        writer = _Writer(valid_urls, results, opener)
        downloader = self._downloader(
            sample_writer_class=lambda *_: writer,
            resizer=self._check,
            thread_count=self._threads,
            save_caption=False,
            extract_exif=False,
            output_folder=str(folder),  # takes its statistics
            column_list=["url"],
            timeout=self._settings.timeout,
            number_sample_per_shard=len(valid_urls),
            oom_shard_count=1,
            compute_hash="sha256",
            verify_hash_type=None,
            encode_format="",
            retries=0,  # the opener retries what can pass, and nothing else
            user_agent_token=self._settings.user_agent,
            disallowed_header_directives=None,  # the opener reads them, tdm-reservation too
        )
        with opener.installed():
            downloader.download_shard((0, str(listing)))
        if failure := writer.failure or opener.failure:
            raise failure


class _Check:
    """Replaces img2dataset's resizer: checks the header and passes the bytes on."""

    def __init__(self, max_pixels: int, min_side: int) -> None:
        self._max_pixels, self._min_side = max_pixels, min_side

    def __call__(self, stream: BytesIO, boxes: None) -> tuple[Any, ...]:
        """The bytes, width, height, original width and height, error: img2dataset's contract."""
        data = stream.getvalue()
        try:
            header = probe(data, self._max_pixels)
            width, height = header.width, header.height
            if min(width, height) < self._min_side:
                raise ImageError("image:too-small", f"{width} x {height} pixels")
        except ImageError as error:
            return None, None, None, None, None, f"{error.outcome} {error.detail}"
        return data, width, height, width, height, None


class _Writer:
    """Replaces img2dataset's sample writer: passes results on.

    img2dataset swallows exceptions of a writer, so a failure is stored here.
    """

    def __init__(
        self, valid_urls: Sequence[tuple[int, str]], results: ReorderBuffer[Fetched], opener: Opener
    ) -> None:
        self._valid_urls, self._results, self._opener = valid_urls, results, opener
        self.failure: Exception | None = None

    def write(self, image: bytes | None, key: str, caption: None, meta: Mapping[str, Any]) -> None:
        """Called by one thread, in the order of arrival; `key` is the position in the list."""
        if self.failure is not None or self._opener.failure is not None:
            return
        number, url = self._valid_urls[int(key)]
        if image is None:
            result = Fetched(*parse_message(meta["error_message"]))
        else:
            moved = self._opener.moved.get(url)
            size = meta["width"], meta["height"]
            result = Fetched(None, moved, meta["sha256"], len(image), sniff(image), *size)
        result.headers = self._opener.headers.get(url)
        result.tried, result.tries = datetime.now(UTC), 1
        try:
            self._results.put(number, result, image)
        except Exception as error:
            self.failure = error
            self._opener.stop()
        finally:
            self._opener.done(url)

    def close(self) -> None:
        """Do nothing: the results were passed on."""


def host_of(url: str) -> Host:
    """Host and port of a URL as it goes over the wire."""
    parts = urlsplit(url)
    return parts.hostname or "", port_of(parts)


def parse_message(message: str) -> tuple[str, str | None]:
    """Outcome and detail, parsed from img2dataset's text of an exception."""
    outcome, _, detail = message.partition(" ")
    if not outcome.startswith(("download:", "image:")):
        outcome, detail = "download:error", message
    return outcome, detail[:500].encode("utf-8", "replace").decode() or None


def round_robin(urls: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """The numbered URLs interleaved by host, so that a slow host blocks few threads."""
    seen: defaultdict[str, int] = defaultdict(int)
    turns = []
    for index, url in urls:
        host = urlsplit(url).netloc
        turns.append((seen[host], index, url))
        seen[host] += 1
    return [(index, url) for _, index, url in sorted(turns)]
