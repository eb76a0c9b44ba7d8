"""Many URLs at once: img2dataset downloads, the guarded opener fetches, the bodies go to a file."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pyarrow as pa

from pipelines.addresses import FetchError, normalise
from pipelines.opener import Opener
from webbody.errors import WebbodyError
from webbody.images import ImageError, probe, sniff


@dataclass
class Fetched:
    """What became of one URL: an outcome, or an image with its bytes at `start` of the spool.

    `width` and `height` are those of the upright image in pixels.
    """

    outcome: str | None = None
    detail: str | None = None
    sha256: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    start: int = 0
    length: int | None = None


class BulkFetch:
    """img2dataset's downloader, set up to store what it fetched as it is.

    `opener` are the arguments of Opener; larger images than `max_pixels` and images with a side
    below `min_side` pixels are rejected by their headers.
    """

    def __init__(self, *, max_pixels: int, min_side: int, opener: Mapping[str, Any]) -> None:
        # Importing img2dataset would otherwise ask a server for a newer version of a dependency.
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
        from img2dataset.downloader import Downloader

        self._downloader = Downloader
        self._check = _Check(max_pixels, min_side)
        self._opener = dict(opener)

    def __call__(self, urls: Sequence[str], folder: Path, spool: IO[bytes]) -> list[Fetched]:
        """Fetch everything; one result per URL, in order. `folder` is for scratch files.

        Raises WebbodyError where the spool cannot be written; a URL never raises.
        """
        results = [Fetched("download:error", "img2dataset lost this row") for _ in urls]
        wanted: list[tuple[int, str]] = []
        for index, url in enumerate(urls):
            try:
                wanted.append((index, normalise(url)))
            except FetchError as error:
                results[index] = Fetched(error.outcome, error.detail)
        if not wanted:
            return results
        wanted = by_turns(wanted)
        listing = folder / "urls.arrow"
        table = pa.table({"url": [url for _, url in wanted]})
        with pa.ipc.new_file(listing, table.schema) as file:
            file.write_table(table)
        writer = _Writer(spool, len(wanted))
        downloader = self._downloader(
            sample_writer_class=lambda *_: writer,
            resizer=self._check,
            thread_count=self._opener["threads"],
            save_caption=False,
            extract_exif=False,
            output_folder=str(folder),  # takes its statistics
            column_list=["url"],
            timeout=self._opener["timeout"],
            number_sample_per_shard=len(wanted),
            oom_shard_count=1,
            compute_hash="sha256",
            verify_hash_type=None,
            encode_format="",
            retries=0,  # the opener retries what can pass, and nothing else
            user_agent_token=self._opener["user_agent"],
            disallowed_header_directives=None,  # the opener reads them, tdm-reservation too
        )
        with Opener(**self._opener).installed() as opener:
            downloader.download_shard((0, str(listing)))
        if writer.failure is not None:
            raise WebbodyError(
                f"Cannot keep downloads in {folder.parent} ({writer.failure}); "
                "make room, or set TMPDIR to another folder."
            ) from writer.failure
        for (index, url), result in zip(wanted, writer.results, strict=True):
            if result is not None:
                results[index] = result
                if result.outcome is None:
                    result.detail = opener.moved.get(url)
        return results


class _Check:
    """In the place of img2dataset's resizer: looks at the header and passes the bytes on."""

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
    """img2dataset's sample writer: bodies go to a file, so that a shard is never held in memory.

    img2dataset prints and forgets what a writer raises, so a failure is kept here instead.
    """

    def __init__(self, spool: IO[bytes], count: int) -> None:
        self._spool = spool
        self.results: list[Fetched | None] = [None] * count
        self.failure: OSError | None = None

    def write(self, image: bytes | None, key: str, caption: None, meta: Mapping[str, Any]) -> None:
        """Called by one thread, in the order of arrival; `key` is the position in the list."""
        if self.failure is not None:
            return
        if image is None:
            self.results[int(key)] = Fetched(*parse_message(meta["error_message"]))
            return
        try:
            start = self._spool.tell()
            self._spool.write(image)
        except OSError as error:
            self.failure = error
            return
        self.results[int(key)] = Fetched(
            sha256=meta["sha256"],
            format=sniff(image),
            width=meta["width"],
            height=meta["height"],
            start=start,
            length=len(image),
        )

    def close(self) -> None:
        """Nothing is left to do: the spool belongs to the caller."""


def parse_message(message: str) -> tuple[str, str | None]:
    """Outcome and detail from the text that img2dataset made of an exception."""
    outcome, _, detail = message.partition(" ")
    if not outcome.startswith(("download:", "image:")):
        outcome, detail = "download:error", message
    return outcome, detail[:500].encode("utf-8", "replace").decode() or None


def by_turns(urls: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """The numbered URLs with hosts taking turns: a slow host's limit then holds few threads."""
    seen: defaultdict[str, int] = defaultdict(int)
    turns = []
    for index, url in urls:
        host = urlsplit(url).netloc
        turns.append((seen[host], index, url))
        seen[host] += 1
    return [(index, url) for _, index, url in sorted(turns)]
