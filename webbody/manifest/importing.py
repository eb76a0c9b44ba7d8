"""Lists of any format as Parquet manifests, with the lines that are no rows beside them."""

from contextlib import ExitStack

import pyarrow as pa
import pyarrow.compute as pc

from webbody.manifest.reader import Manifest
from webbody.manifest.source import KEPT
from webbody.manifest.tally import ManifestTally, refuse_unusable, tallied
from webbody.manifest.writer import new_manifest

REJECTED_LINES = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("url", pa.string()),
        ("name", pa.string()),
        ("outcome", pa.string()),
        ("detail", pa.string()),
    ]
)


def rejected_path(out: str) -> str:
    """Where the rejected lines of a manifest are written."""
    return out.removesuffix(".parquet") + ".rejected.parquet"


def import_manifest(manifest: Manifest, out: str) -> ManifestTally:
    """Write the accepted rows to `out`, in the file's order, and the others beside it.

    `out` gets the columns url, name, sha256 where the list has it, and those that are kept; the
    other file file (null where the list is one file), line (of the file, from 1), url, name,
    outcome, detail. Both are written as the rows
    go by, in bounded memory.

    Raises:
        WebbodyError: No row can be used; nothing is written then.
    """
    tally = ManifestTally()
    own = [name for name in ("url", "name", "sha256") if name in manifest.columns]
    with ExitStack() as files:
        sources = manifest.parts.sources
        accepted = files.enter_context(new_manifest(out, sources))
        rejected = files.enter_context(new_manifest(rejected_path(out), sources, REJECTED_LINES))
        for batch in tallied(manifest, tally):
            good = batch.column("outcome").is_null()
            kept = [name for name in batch.schema.names if name.startswith(KEPT)]
            chosen = batch.select([*own, *kept])
            chosen = chosen.rename_columns([*own, *(name.removeprefix(KEPT) for name in kept)])
            if good.true_count == len(good):
                accepted.write(chosen)
                continue
            accepted.write(chosen.filter(good))
            wrong = batch.filter(pc.invert(good))
            places = manifest.parts.places(wrong.column("row"))
            rest = (wrong.column(name) for name in REJECTED_LINES.names[2:])
            rejected.write(pa.record_batch([*places, *rest], schema=REJECTED_LINES))
        refuse_unusable(manifest.path, tally)
    return tally


def validate_manifest(manifest: Manifest) -> ManifestTally:
    """What `import_manifest` would say, without writing anything."""
    tally = ManifestTally()
    for _ in tallied(manifest, tally):
        pass
    refuse_unusable(manifest.path, tally)
    return tally
