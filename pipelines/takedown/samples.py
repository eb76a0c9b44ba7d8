"""Samples of the split and of the packed shards."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.sampling.selection import shows_body
from pipelines.stages.pack import PEOPLE
from pipelines.takedown.rewriting import Rewriting
from pipelines.takedown.tables import with_moves
from webbody import skeleton
from webbody.commit import ALL, Output

#: Columns of the split by which samples are counted.
_COUNTED = ("person", "split")


def cut_samples(work: Rewriting) -> None:
    """Samples of the split, and of the packed shards that hold any of them."""
    record = work.record("split", ALL)
    if record is None:
        for stage in ("split", "pack"):
            for name in work.folder.names(stage):
                work.changes.remove(f"{stage}/{name}")
        return
    samples = pa.array(sorted(work.taken.samples), pa.string())
    outputs: dict[str, Output | None] = {}
    left = []
    for name in sorted(record.outputs):
        if "-" not in name:
            continue
        table = work.table(f"split/{name}")
        gone = pc.is_in(table["sample"], value_set=samples)
        kept = table.filter(pc.invert(gone))
        left.append(kept.select([name for name in _COUNTED if name in kept.column_names]))
        shard = name.removesuffix(".parquet")
        if pc.any(gone).as_py():
            _cut_pack(work, shard, set(table.filter(gone)["sample"].to_pylist()), kept)
        if not len(kept):
            outputs[name] = None
            continue
        moved = _sources_moved(work, kept)
        if moved is not table:
            outputs[name] = work.write(f"split/{name}", moved)
    rest = pa.concat_tables(left)
    counts = {"in": len(rest), "out": len(rest)}
    if PEOPLE in record.outputs:
        table, counts = _split_people(work, work.table(f"split/{PEOPLE}"), rest)
        outputs[PEOPLE] = work.write(f"split/{PEOPLE}", table)
    work.keep(record, outputs, **counts)


def _cut_pack(work: Rewriting, shard: str, gone: set[str], kept: pa.Table) -> None:
    record = work.record("pack", shard)
    if record is None:
        work.drop("pack", shard)
        return
    if not len(kept):
        for name in (*record.outputs, f"{shard}.json"):
            work.changes.remove(f"pack/{name}")
        work.new["pack", shard] = None
        return
    tar = work.cut_tar(f"pack/{shard}", lambda member, _: member.split(".")[0] not in gone)
    table = work.table(f"pack/{shard}.parquet")
    table = table.filter(pc.invert(pc.is_in(table["key"], value_set=pa.array(sorted(gone)))))
    table = with_moves(table, work.moves[f"pack/{shard}"])
    written = work.write(f"pack/{shard}.parquet", table)
    outputs: dict[str, Output | None] = {f"{shard}.tar": tar, f"{shard}.parquet": written}
    counts = {"in": len(kept), "out": len(kept)}
    if "person" in kept.column_names:
        counts["people"] = len(kept["person"].unique())
    work.keep(record, outputs, **counts)


def _sources_moved(work: Rewriting, table: pa.Table) -> pa.Table:
    """The rows of an output shard with the places that crops have now."""
    sources, offsets = table["source"].to_pylist(), table["offset"].to_pylist()
    found = [
        work.moves[source][offset] if source in work.moves else offset
        for source, offset in zip(sources, offsets, strict=True)
    ]
    at = table.column_names.index("offset")
    return table.set_column(at, table.schema.field("offset"), pa.array(found, pa.int64()))


def _split_people(
    work: Rewriting, people: pa.Table, left: pa.Table
) -> tuple[pa.Table, dict[str, int]]:
    images = Counter(left["person"].to_pylist())
    body = _bodies(work)
    rows = []
    for row in people.to_pylist():
        if images[row["person"]]:
            fewer = row["body_images"] - body[row["person"]]
            rows.append({**row, "images": images[row["person"]], "body_images": fewer})
    splits = Counter(left["split"].to_pylist())
    counts = {"in": len(left), "out": len(left), "people": len(rows), "test": splits["test"]}
    counts["test_people"] = sum(row["split"] == "test" for row in rows)
    return pa.Table.from_pylist(rows, people.schema), counts


def _bodies(work: Rewriting) -> Counter[int]:
    """Of each person the removed samples that show a body and no full face."""
    found: Counter[int] = Counter()
    for shard, keys in work.taken.keys.items():
        for stage, column in (("keypoints", "keypoints"), ("plan", "keypoints")):
            name = f"{stage}/{shard}.parquet"
            if work.folder.size(name) is None:
                continue
            table = work.table(name)
            if column not in table.column_names:
                continue
            rows = [
                row
                for row in table.to_pylist()
                if row["key"] in keys and row.get("outcome") is None and row[column] is not None
            ]
            points = np.array([row[column] for row in rows], np.float32)
            shown = shows_body(points.reshape(-1, skeleton.COUNT, 3)).tolist()
            found.update(row["person"] for row, yes in zip(rows, shown, strict=True) if yes)
            break
    return found
