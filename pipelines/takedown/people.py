"""Removing samples from the tables of people: labels, people, pairs, ids."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.identity.near_copies import NEAR_COPIES
from pipelines.identity.person_ids import PERSON_IDS, PersonIds
from pipelines.takedown.rewriting import Rewriting
from webbody.commit import ALL, Output


def cut_identities(work: Rewriting) -> None:
    """Everything of the identities stage, and the ids that the folder remembers."""
    samples = work.taken.samples
    if work.folder.size(PERSON_IDS) is not None:
        work.write(PERSON_IDS, PersonIds.read(work.folder).without(samples).table())
    record = work.record("identities", ALL)
    if record is None:
        for shard in work.taken.keys:
            work.drop("identities", shard)
        return
    outputs: dict[str, Output | None] = {}
    lost: Counter[int] = Counter()
    rows = out = 0
    for shard, keys in work.taken.keys.items():
        name = f"{shard}.parquet"
        if name not in record.outputs:
            continue
        table = work.table(f"identities/{name}")
        gone = pc.is_in(table["key"], value_set=pa.array(sorted(keys)))
        removed = table.filter(gone)
        lost.update(removed["person"].drop_null().to_pylist())
        rows, out = rows + len(removed), out + removed["outcome"].null_count
        outputs[name] = work.write(f"identities/{name}", table.filter(pc.invert(gone)))
    people = _people_left(work, work.table("identities/people.parquet"), lost)
    outputs["people.parquet"] = work.write("identities/people.parquet", people)
    pairs = work.table("identities/pairs.parquet")
    names = pa.array(sorted(work.taken.lost), pa.string())
    named = pc.or_(*(pc.is_in(pairs[side], value_set=names) for side in ("name_a", "name_b")))
    outputs["pairs.parquet"] = work.write(
        "identities/pairs.parquet", pairs.filter(pc.invert(named))
    )
    more: dict[str, int] = {}
    if NEAR_COPIES in record.outputs:
        copies = without_crops(work, work.table(f"identities/{NEAR_COPIES}"))
        outputs[NEAR_COPIES] = work.write(f"identities/{NEAR_COPIES}", copies)
        more["near_copies"] = len(copies)
    if PERSON_IDS in record.outputs:
        ids = PersonIds.read(work.folder, f"identities/{PERSON_IDS}").without(samples)
        outputs[PERSON_IDS] = work.write(f"identities/{PERSON_IDS}", ids.table())
    counts = record.counts
    left = people["person"].null_count
    work.keep(
        record,
        outputs,
        **{
            "in": counts["in"] - rows,
            "out": counts["out"] - out,
            "people": len(people) - left,
            "names": counts.get("names", 0) - len(work.taken.lost),
            **more,
        },
    )


def without_crops(work: Rewriting, table: pa.Table) -> pa.Table:
    """The pairs of photos of which no crop goes; a crop's key begins with its row's."""
    keys = {key for keys in work.taken.keys.values() for key in keys}
    stay = [
        not {(crop or "").rpartition("-")[0] for crop in pair} & keys
        for pair in zip(table["crop_a"].to_pylist(), table["crop_b"].to_pylist(), strict=True)
    ]
    return table.filter(pa.array(stay, pa.bool_()))


def _people_left(work: Rewriting, table: pa.Table, lost: Counter[int]) -> pa.Table:
    """The people's table without names and people who have nothing left."""
    rows = []
    for row in table.to_pylist():
        names = [name for name in row["names"] or () if name not in work.taken.lost]
        images = row["images"] - lost[row["person"]] if row["person"] is not None else row["images"]
        if names and images > 0:
            rows.append({**row, "names": names, "names_merged": len(names), "images": images})
    return pa.Table.from_pylist(rows, table.schema)
