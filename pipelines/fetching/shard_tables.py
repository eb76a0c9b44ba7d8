"""What a download writes of a shard: its rows, what servers said of their answers, the pictures."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipelines.base.stage import Outputs
from pipelines.fetching.earlier import RULES, EarlierRows
from pipelines.fetching.fetched import Fetched
from webbody.commit import side_file
from webbody.errors import WebbodyError
from webbody.removals import TAKEDOWN, RemovalLists
from webbody.shards import MemberReader

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
#: Columns of SCHEMA that say where a picture lies: they follow from the others.
_PLACED = ("offset", "length")

#: What servers said of their answers: dates, for one, that are others in every build.
ANSWERS = "answers"
ANSWERS_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("fetched", pa.date32()),
        ("etag", pa.string()),
        ("last_modified", pa.string()),
        ("rights", pa.list_(pa.string())),
        ("tried", pa.timestamp("ms", "UTC")),
        ("tries", pa.int32()),
    ]
)


class Rows:
    """The rows of a shard by what became of their URLs.

    plan: its rows (key, url, sha256). reject: a picture with another sha256 is not kept.
    """

    def __init__(
        self, plan: Sequence[dict[str, Any]], reject: bool, removals: RemovalLists
    ) -> None:
        self.plan, self._reject, self._removals = plan, reject, removals

    def row(self, number: int, got: Fetched) -> dict[str, Any]:
        """A row of SCHEMA, without the place of its picture."""
        plan = self.plan[number]
        outcome, detail, match = got.outcome, got.detail, None
        if got.sha256 is not None and plan["sha256"] is not None:
            match = got.sha256 == plan["sha256"].lower()
            if not match and self._reject:
                outcome, detail = "download:hash-mismatch", None
        if got.sha256 is not None and self._removals.contains(sha256=got.sha256):
            outcome, detail = TAKEDOWN, None  # the same picture, at another address
        return {
            "key": plan["key"], "url": plan["url"], "outcome": outcome, "detail": detail,
            "sha256": got.sha256, "hash_match": match, "bytes": got.bytes,
            "width": got.width, "height": got.height, "format": got.format,
        }  # fmt: skip

    def are_there(self, found: Sequence[Fetched | None], earlier: EarlierRows) -> bool:
        """Whether everything was found, and the earlier table has exactly these rows."""
        if any(got is None for got in found):
            return False
        rows = [self.row(number, got) for number, got in enumerate(found) if got is not None]
        return earlier.same(rows, _PLACED)


class ShardTables:
    """Writes a shard in the plan's order: what was found, and between it what is fetched.

    found: what is known of each row, None where it is fetched. carried: where pictures that are
    found lie. Call `fetched` for each row that was not found, in order, then `close`.
    """

    def __init__(
        self, rows: Rows, found: Sequence[Fetched | None], earlier: EarlierRows | None,
        carried: MemberReader | None, outputs: Outputs,
    ) -> None:  # fmt: skip
        self._rows, self._found, self._outputs = rows, found, outputs
        self._earlier, self._carried = earlier, carried
        self._tar = outputs.tar()
        self.missing = [number for number, got in enumerate(found) if got is None]
        self.counts = Counter({"in": len(found), "out": 0})
        self._columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
        self._answers: list[dict[str, Any]] = []

    def fetched(self, number: int, got: Fetched, body: bytes | None) -> None:
        """The next of the `missing` rows, by its place among them; those before it go first."""
        self._carry(self.missing[number])
        if self._earlier is not None:
            got.tries += self._earlier.tries(self._rows.plan[self.missing[number]]["url"])
        self._add(got, body)

    def close(self, rules: bytes) -> None:
        """Write the rest. rules: by which settings rows were fetched."""
        self._carry(len(self._found))
        self._outputs.table(pa.table(self._columns, schema=SCHEMA))
        schema = ANSWERS_SCHEMA.with_metadata({RULES: rules})
        answers = pa.Table.from_pylist(self._answers, schema)
        self._outputs.table(answers, side_file(self._outputs.shard, ANSWERS))

    def _carry(self, end: int) -> None:
        for number in range(len(self._answers), end):
            got, body = self._found[number], None
            assert got is not None
            if got.outcome is None and self._earlier is not None and self._carried is not None:
                body = self._carried.read(*self._earlier.place(self._rows.plan[number]["url"]))
                if hashlib.sha256(body).hexdigest() != got.sha256:
                    raise WebbodyError(
                        f"the pictures of download/{self._outputs.shard}.tar are damaged; run "
                        "`webbody verify --repair` on this folder first."
                    )
            self._add(got, body)

    def _add(self, got: Fetched, body: bytes | None) -> None:
        """Write the next row, and its picture if there is one."""
        row = self._rows.row(len(self._answers), got)
        offset = length = None
        if body is not None and row["outcome"] is None:
            offset, length = self._tar.add(f"{row['key']}.{got.format}", body)
        self.counts[row["outcome"] or "out"] += 1
        self._outputs.tally.add(row["key"], row["outcome"])
        for name, value in {**row, "offset": offset, "length": length}.items():
            self._columns[name].append(value)
        said = vars(got.headers) if got.headers else {}
        self._answers.append(
            {"key": row["key"], **said, "tried": got.tried, "tries": got.tries or None}
        )
