"""Rows of the tables that a stage has for each planned shard, and of the plan itself."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.row_lookup import LOOKUP
from pipelines.stages.ledger import general
from pipelines.stages.plan import REJECTED, as_rejected, without_removed_words
from pipelines.takedown.rewriting import Moves, Rewriting
from webbody.commit import ALL, UNMEASURED, Output
from webbody.config import FLAGS
from webbody.removals import TAKEDOWN

#: Tables of what was found in pictures: rows go by the key of their picture.
BY_KEY = (
    "download",
    "persons",
    "quality",
    "crops",
    "faces",
    "flags",
    "clusters",
    "keypoints",
    "ledger",
)


def cut_stage(work: Rewriting, stage: str, shard: str) -> None:
    """Rows of a stage that go by the key of their picture, and their pictures."""
    record = work.record(stage, shard)
    if record is None:
        work.drop(stage, shard)
        return
    keys = pa.array(sorted(work.taken.keys[shard]))
    outputs: dict[str, Output | None] = {}
    gone = pa.table({})
    for name in sorted(record.outputs, key=lambda name: not name.endswith(".tar")):
        path = f"{stage}/{name}"
        if name.endswith(".tar"):
            if name in record.evicted:
                continue
            rows = work.table(f"{stage}/{shard}.parquet")
            rows = rows.filter(pc.invert(pc.is_in(rows["key"], value_set=keys)))
            stay = frozenset(rows["offset"].drop_null().to_pylist())
            outputs[name] = work.cut_tar(path.removesuffix(".tar"), _lying_at(stay))
            continue
        table = work.table(path)
        there = pc.is_in(table["key"], value_set=keys)
        kept = with_moves(table.filter(pc.invert(there)), work.moves.get(f"{stage}/{shard}", {}))
        outputs[name] = work.write(path, kept)
        if name == f"{shard}.parquet":
            gone = table.filter(there)
    work.keep(record, outputs, **_without(record.counts, gone, stage))


def cut_plan(work: Rewriting) -> None:
    """Rows of the plan: they become rejected ones that name nothing."""
    record = work.record("plan", ALL)
    if record is None:
        return
    outputs: dict[str, Output | None] = {}
    for shard, keys in work.taken.keys.items():
        table = work.table(f"plan/{shard}.parquet")
        gone = pc.is_in(table["key"], value_set=pa.array(sorted(keys)))
        name = f"{shard}.parquet"
        outputs[name] = work.write(f"plan/{name}", table.filter(pc.invert(gone)))
    count = work.taken.rows
    before = work.table("plan/rejected.parquet")
    nothing = {name: pa.nulls(count, REJECTED.field(name).type) for name in REJECTED.names}
    more = pa.table({**nothing, "outcome": [TAKEDOWN] * count}, REJECTED)
    scrubbed = [
        pa.Table.from_batches([without_removed_words(batch, work.taken.lists)])
        for batch in as_rejected(before).to_batches()
    ]
    rejected = pa.concat_tables([*scrubbed, more])
    outputs["rejected.parquet"] = work.write("plan/rejected.parquet", rejected)
    if LOOKUP in record.outputs:  # it knows rows that are gone; who explains reads the tables
        outputs[LOOKUP] = None
    counts = record.counts
    told = counts.get(TAKEDOWN, 0) + count
    work.keep(record, outputs, **{"out": counts["out"] - count, TAKEDOWN: told})


def with_moves(table: pa.Table, moves: Moves) -> pa.Table:
    """A table whose `offset` says where members lie now."""
    if not moves or "offset" not in table.column_names:
        return table
    found = [None if at is None else moves[at] for at in table["offset"].to_pylist()]
    where = table.column_names.index("offset")
    return table.set_column(where, table.schema.field("offset"), pa.array(found, pa.int64()))


def _without(counts: Mapping[str, int], gone: pa.Table, stage: str) -> dict[str, int]:
    """Counts of a record without some rows of its table."""
    if not len(gone):
        return {}
    keys = gone["key"].to_pylist()
    outcomes = gone["outcome"].to_pylist()
    out = dict(counts)
    out["in"] = counts.get("in", 0) - (len(set(keys)) if stage == "persons" else len(keys))
    passed = ("kept",) if stage == "ledger" else (None,)
    out["out"] = counts.get("out", 0) - sum(outcome in passed for outcome in outcomes)
    for outcome, count in Counter(outcomes).items():
        name = general(outcome) if outcome else ""
        if name in out:
            out[name] -= count
    if stage == "flags":
        out |= {flag: out[flag] - (pc.sum(gone[flag]).as_py() or 0) for flag in FLAGS}
        out[UNMEASURED] = min(out[UNMEASURED], out["in"])
    if "state" in gone.column_names:
        for state, count in Counter(gone["state"].drop_null().to_pylist()).items():
            out[state] = out.get(state, 0) - count
    return out


def _lying_at(offsets: Collection[int]) -> Callable[[str, int], bool]:
    return lambda _, offset: offset in offsets
