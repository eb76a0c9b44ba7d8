"""Repair of a damaged tar of downloads: only the damaged pictures are fetched again."""

import contextlib
import hashlib
import tempfile
from pathlib import Path
from typing import Any

from pipelines.fetching.bulk_fetch import BulkFetch
from pipelines.fetching.fetched import Fetched
from pipelines.verify.members import intact_members
from webbody.commit import Record
from webbody.config import DownloadSettings
from webbody.scratch import scratch_folder
from webbody.shards import TarWriter
from webbody.storage import Folder


def repair_download(folder: Folder, record: Record, settings: DownloadSettings) -> int | None:
    """Fetch the damaged pictures of a shard's tar, and write it anew if all are as they were.

    The shard's table must be sound: it says what every picture was. Returns how many were fetched;
    None, and nothing is written, where one is gone, is another now, or may no longer be used.
    """
    shard, name = record.shard, f"{record.shard}.tar"
    tar = f"{record.stage}/{name}"
    if folder.size(tar) is None:
        return None
    rows = list(intact_members(folder, record.stage, shard))
    lost = [row for row, data in rows if data is None]
    with tempfile.TemporaryFile() as spool:
        fetched = _fetched(lost, settings, spool)
        if len(fetched) < len(lost):
            return None
        pending = folder.begin(tar)
        try:
            writer = TarWriter(pending.file)
            for row, data in intact_members(folder, record.stage, shard):
                if data is None:
                    spool.seek(fetched[row["key"]])
                    data = spool.read(row["length"])
                writer.add(f"{row['key']}.{row['format']}", data)
            writer.close()
            pending.file.seek(0)
            same = hashlib.file_digest(pending.file, "sha256").hexdigest()  # type: ignore[arg-type]
            if same != record.outputs[name].sha256:
                pending.discard()
                return None
            pending.seal()
            pending.publish()
        except BaseException:
            pending.discard()
            raise
    return len(lost)


def _fetched(rows: list[dict[str, Any]], settings: DownloadSettings, spool: Any) -> dict[str, int]:
    """Where in `spool` the pictures lie that came and are what they were, by key."""
    found: dict[str, int] = {}

    def keep(number: int, got: Fetched, body: bytes | None) -> None:
        if body is not None and got.outcome is None and got.sha256 == rows[number]["sha256"]:
            found[rows[number]["key"]] = spool.tell()
            spool.write(body)

    if rows:
        with (
            scratch_folder("verify") as temporary,
            tempfile.TemporaryFile(dir=temporary) as scratch,
        ):
            fetch = BulkFetch(settings, min(len(rows), 16))
            with contextlib.closing(fetch.access):
                fetch([row["url"] for row in rows], keep, Path(temporary), scratch)
    return found
