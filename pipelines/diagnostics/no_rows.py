"""The error of a plan without shards: no row is usable, or none is left."""

from collections import Counter

import pyarrow.compute as pc

from pipelines.stages.plan import REJECTED_FILE, as_rejected
from webbody.errors import NothingKept, WebbodyError
from webbody.manifest.parts import place_of
from webbody.parquet_tables import read_parquet
from webbody.plain_text import counted, plain_text
from webbody.removals import TAKEDOWN
from webbody.storage import Folder

#: Reasons named in the error.
_REASONS = 3


def no_rows(manifest: str, folder: Folder, needs: str) -> WebbodyError:
    """The error to raise for a plan in `folder` without shards.

    If all usable rows were taken down, the list is not at fault. Else it names the most frequent
    reasons, each with an example row. needs: what every row needs, in words.
    """
    with folder.open(f"plan/{REJECTED_FILE}") as file:
        rejected = as_rejected(read_parquet(file))
    outcomes = Counter(rejected["outcome"].to_pylist())
    if taken := outcomes[TAKEDOWN]:
        others = len(rejected) - taken
        told = f" (the other {counted(others, 'row')} cannot be used)" if others else ""
        return NothingKept(
            f"Manifest {manifest}: {counted(taken, 'row')} taken down, and none is left to "
            f"build{told}: the list of removals keeps them out."
        )
    reasons = []
    for outcome, count in outcomes.most_common(_REASONS):
        row = rejected.filter(pc.equal(rejected["outcome"], outcome)).slice(0, 1).to_pylist()[0]
        said = " ".join(filter(None, [row["detail"], row["url"]]))
        place = place_of(row["file"], row["line"])
        example = f" ({place}: {plain_text(said, 100)})" if said else ""
        reasons.append(f"{count:,} {outcome}{example}")
    return WebbodyError(
        f"Manifest {manifest}: none of its {counted(len(rejected), 'row')} can be used: "
        f"{', '.join(reasons)}; every row needs {needs}."
    )
