"""Download: the images of a shard as they are, and what became of every URL."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.fetching.bulk_fetch import BulkFetch, Fetched
from webbody.commit import side_file
from webbody.config import WORKER, DownloadSettings, WorkerResources
from webbody.removals import TAKEDOWN, lists_in

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("url", pa.string()),
        ("outcome", pa.string()),
        ("detail", pa.string()),
        ("sha256", pa.string()),
        ("hash_match", pa.bool_()),
        ("bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
    ]
)

#: What servers said of their answers: dates, for one, that are others in every build.
ANSWERS = "answers"
ANSWERS_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("fetched", pa.date32()),
        ("etag", pa.string()),
        ("last_modified", pa.string()),
        ("rights", pa.list_(pa.string())),
    ]
)


class Download(Stage[DownloadSettings]):
    """Fetches each URL of a shard with img2dataset through the guarded opener.

    Outputs the original bytes as `<key>.<format>` in a tar, in the plan's order whatever the order
    of arrival, and one row per URL (SCHEMA; `width` and `height` of the upright image, `offset`
    and `length` of the member in the tar; `detail` of an image is where a redirect led). Images
    are not decoded here, their headers are read. As many connections are open at a time as the
    worker has threads. What servers said of their answers (ANSWERS_SCHEMA) lies beside the table,
    for a release.
    """

    name = "download"
    version = 2  # AVIF, HEIC and JPEG 2000 are pictures; opt-outs are found in odd headers
    needs = ("plan",)

    def __init__(self, settings: DownloadSettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self._fetch = BulkFetch(settings, resources.threads)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        plan = inputs.table("plan").to_pydict()
        keys, urls, hashes = plan["key"], plan["url"], plan["sha256"]
        counts = Counter({"in": len(keys), "out": 0})
        columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
        answers: list[dict[str, Any]] = []
        removals = lists_in(inputs.folder)
        tar = outputs.tar()

        def keep(number: int, got: Fetched, body: bytes | None) -> None:
            outcome, detail = got.outcome, got.detail
            match = offset = length = None
            if body is not None and hashes[number] is not None:
                match = got.sha256 == hashes[number].lower()
                if not match and self.settings.verify == "reject":
                    outcome, detail = "download:hash-mismatch", None
            if got.sha256 is not None and removals.names(sha256=got.sha256):
                outcome, detail = TAKEDOWN, None  # the same picture, at another address
            if body is not None and outcome is None:
                offset, length = tar.add(f"{keys[number]}.{got.format}", body)
            counts[outcome or "out"] += 1
            outputs.tally.add(keys[number], outcome)
            values = (
                keys[number], urls[number], outcome, detail, got.sha256, match,
                None if body is None else len(body), got.width, got.height, got.format,
                offset, length,
            )  # fmt: skip
            for name, value in zip(SCHEMA.names, values, strict=True):
                columns[name].append(value)
            answers.append({"key": keys[number], **(vars(got.answered) if got.answered else {})})

        with (
            tempfile.TemporaryDirectory(prefix="webbody-download-") as temporary,
            tempfile.TemporaryFile(dir=temporary) as spool,
        ):
            self._fetch(urls, keep, Path(temporary), spool)
        outputs.table(pa.table(columns, schema=SCHEMA))
        beside = side_file(inputs.shard, ANSWERS)
        outputs.table(pa.Table.from_pylist(answers, ANSWERS_SCHEMA), beside)
        return counts
