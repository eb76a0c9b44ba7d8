"""Removing face features from a finished build."""

from dataclasses import replace

import pyarrow as pa

from pipelines.takedown.matching import TakenRows
from pipelines.takedown.rewriting import Rewriting
from pipelines.takedown.surgery import finish
from webbody.commit import FEATURES, Output
from webbody.errors import WebbodyError
from webbody.lease import writing
from webbody.storage import Folder
from webbody.view_cache import forget_view


def forget_features(folder: Folder) -> int:
    """Write the tables of faces without their features; how many shards had any.

    The records of what was made of them stay valid, and say that the features were evicted, so
    that a build which needs them again computes them anew. Raises WebbodyError where the build is
    not finished: it would need them at once.
    """
    with writing(folder):
        finish(folder)
        return _forget(folder)


def _forget(folder: Folder) -> int:
    work = Rewriting(folder, TakenRows())
    if "faces" not in work.records.build.get("stages", {}):
        raise WebbodyError(f"{folder.url}: keeps no face features: there is nothing to forget.")
    work.records.need("split")
    count = 0
    for shard in work.records.shards:
        record = work.records.need("faces", shard)
        name = f"{shard}.parquet"
        if FEATURES in record.evicted:
            continue
        table = work.table(f"faces/{name}")
        at = table.column_names.index("feature")
        field = table.schema.field("feature")
        empty = table.set_column(at, field, pa.nulls(len(table), field.type))
        written: dict[str, Output | None] = {name: work.write(f"faces/{name}", empty)}
        work.keep(replace(record, evicted=(*record.evicted, FEATURES)), written)
        count += 1
    work.write_records()
    work.changes.carry_out()
    forget_view(folder)  # it has sums of features
    return count
