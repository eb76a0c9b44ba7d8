"""Reuse of an earlier run's downloads under the present settings."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipelines.fetching.fetched import Fetched
from pipelines.fetching.response_headers import ResponseHeaders, opted_out_by
from pipelines.fetching.retry import RetryRule
from webbody.commit import Record, intact, read_record, side_file
from webbody.config import DownloadSettings
from webbody.parquet_tables import read_parquet
from webbody.shards import MemberReader
from webbody.storage import Folder

#: Metadata key of a table of responses: the settings of its download.
RULES = b"webbody.rules"
#: Settings about files of hosts that forbid pictures.
SITE_RULES: tuple[str, ...] = (
    "robots", "robots_agents", "max_crawl_delay", "tdmrep", "ai_txt", "user_agent", "opt_out",
)  # fmt: skip
#: Outcomes decided by a setting, and whether the present value may let the picture pass.
_LOOSER: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], bool]] = {
    "download:too-large": lambda old, new: new["max_bytes"] > old["max_bytes"],
    "image:too-large": lambda old, new: new["max_pixels"] > old["max_pixels"],
    "image:too-small": lambda old, new: new["min_side"] < old["min_side"],
    "download:redirects": lambda old, new: new["max_redirects"] > old["max_redirects"],
    "download:private-address": lambda old, new: (
        not {*new["allow_private"]} <= {*old["allow_private"]}
    ),
    "download:robots": lambda old, new: any(old[name] != new[name] for name in SITE_RULES),
}


@dataclass(frozen=True)
class _Row:
    """A row of the table, with its response's metadata, and when and how often it was requested."""

    values: Mapping[str, Any]
    headers: ResponseHeaders | None
    tried: datetime | None
    tries: int


class EarlierRows:
    """The rows of a shard that a download committed before, by URL.

    settings: the present ones. version: of the code that reads pictures; what another version could
    not read is fetched again.
    """

    def __init__(
        self, folder: Folder, record: Record, table: pa.Table, answers: pa.Table | None,
        settings: DownloadSettings, version: int,
    ) -> None:  # fmt: skip
        self.record = record
        self._folder, self._table = folder, table
        self._settings, self._retry = settings, RetryRule.of(settings.retry)
        self._new = settings.deciding()
        #: Whether the pictures' bytes are still there.
        self.has_bodies = not record.evicted
        metadata = (answers.schema.metadata or {}) if answers is not None else {}
        rules = json.loads(metadata.get(RULES, b"{}"))
        self._old: Mapping[str, Any] = rules.get("settings", {})
        self._reads_alike = rules.get("version") == version
        self._answers_known = answers is not None
        said = {} if answers is None else {row["key"]: row for row in answers.to_pylist()}
        self._rows: dict[str, _Row] = {}
        for values in table.to_pylist():
            if values["url"] not in self._rows or values["offset"] is not None:
                self._rows[values["url"]] = _row(values, said.get(values["key"], {}))

    @classmethod
    def of(
        cls, folder: Folder, stage: str, shard: str, answers: str,
        settings: DownloadSettings, version: int,
    ) -> "EarlierRows | None":  # fmt: skip
        """The rows that `stage` committed for a shard; None if they are incomplete."""
        record = read_record(folder, stage, shard)
        if record is None or not intact(folder, record):
            return None
        try:
            with folder.open(f"{stage}/{shard}.parquet") as file:
                table = read_parquet(file)
        except (OSError, pa.ArrowException):
            return None
        try:
            with folder.open(f"{stage}/{side_file(shard, answers)}") as file:
                said = read_parquet(file)
        except (OSError, pa.ArrowException):  # the rows stay valid, but their settings are unknown
            said = None
        return cls(folder, record, table, said, settings, version)

    def of_url(self, url: str, sha256: str | None) -> Fetched | None:
        """The result of a URL under the present settings; None if it must be fetched.

        sha256: the one (hex) that the manifest names, or None.
        """
        row = self._rows.get(url)
        if row is None:
            return None
        values = row.values
        got = Fetched(
            values["outcome"], values["detail"], values["sha256"], values["bytes"],
            values["format"], values["width"], values["height"], row.headers, row.tried, row.tries,
        )  # fmt: skip
        if got.outcome is None:
            return self._kept(got)
        if self._retry is not None and self._retry.covers(got.outcome, row.tried):
            return None
        return got if self._is_final(got, sha256) else None

    def tries(self, url: str) -> int:
        """How often a URL was requested so far."""
        row = self._rows.get(url)
        return 0 if row is None else row.tries

    def same(self, rows: list[dict[str, Any]], placed: tuple[str, ...]) -> bool:
        """Whether the earlier rows equal these; `placed` are columns that then agree, too."""
        there = self._table.drop_columns(list(placed))
        return bool(pa.Table.from_pylist(rows, there.schema).equals(there))

    def bodies(self) -> MemberReader:
        """The pictures' bytes by offset and length; use it in a `with`."""
        return MemberReader(self._folder, f"{self.record.stage}/{self.record.shard}.tar")

    def place(self, url: str) -> tuple[int, int]:
        """Offset and length of a kept picture."""
        values = self._rows[url].values
        return values["offset"], values["length"]

    def site_rules_changed(self) -> bool:
        """Whether the settings about hosts' own files changed since the download."""
        return any(self._old.get(name) != self._new[name] for name in SITE_RULES)

    def _kept(self, got: Fetched) -> Fetched | None:
        """Apply stricter settings to a stored picture without fetching it."""
        rules = self._settings
        if not self._answers_known:
            return None
        if why := opted_out_by(got.headers, rules.opt_out, rules.user_agent):
            return got.rejected("download:opt-out", why)
        if (got.bytes or 0) > rules.max_bytes:
            return got.rejected("download:too-large", f"more than {rules.max_bytes} bytes")
        width, height = got.width or 0, got.height or 0
        if width * height > rules.max_pixels:
            return got.rejected("image:too-large", f"{width} x {height} pixels")
        if min(width, height) < rules.min_side:
            return got.rejected("image:too-small", f"{width} x {height} pixels")
        return got

    def _is_final(self, got: Fetched, sha256: str | None) -> bool:
        """Whether a row without a picture keeps its outcome."""
        outcome = got.outcome or ""
        if outcome == "download:opt-out":
            rules = self._settings
            why = opted_out_by(got.headers, rules.opt_out, rules.user_agent)
            got.detail = why
            return why is not None
        if outcome == "download:hash-mismatch":
            asked_for = sha256 is not None and got.sha256 != sha256.lower()
            return self._settings.verify == "reject" and asked_for
        if outcome in _LOOSER:
            return bool(self._old) and not _LOOSER[outcome](self._old, self._new)
        return self._reads_alike or not outcome.startswith("image:")


def fetched_by(settings: DownloadSettings, version: int) -> bytes:
    """The settings of the download, for the table of responses."""
    return json.dumps({"settings": settings.deciding(), "version": version}).encode()


def _row(values: Mapping[str, Any], said: Mapping[str, Any]) -> _Row:
    answered = None
    if said.get("fetched") is not None:
        answered = ResponseHeaders(
            said["fetched"], said["etag"], said["last_modified"], tuple(said["rights"] or ())
        )
    tried = said.get("tried")
    if tried is not None and tried.tzinfo is None:
        tried = tried.replace(tzinfo=UTC)
    return _Row(values, answered, tried, said.get("tries") or 0)
