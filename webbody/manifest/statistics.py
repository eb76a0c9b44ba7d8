"""What is in a manifest: rows, names, hosts, duplicates."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from webbody.manifest.database import ScratchDatabase
from webbody.manifest.reader import Manifest
from webbody.manifest.tally import ManifestTally, refuse_unusable, tallied
from webbody.scratch import scratch_folder

_ROWS = pa.schema([("url", pa.string()), ("name", pa.string()), ("sha256", pa.string())])
# A URL is kept as its 64-bit hash: of 94 M URLs two share one with a chance of 0.0002.
_TABLE = r"""
CREATE TABLE rows AS
SELECT name, hash(url) AS url, sha256 IS NOT NULL AS digest,
       lower(split_part(url, ':', 1)) AS scheme,
       lower(CASE WHEN regexp_matches(host, '[?#@:]')
                  THEN regexp_replace(regexp_replace(host, '[?#].*', ''), '^.*@|:\d*$', '', 'g')
                  ELSE host END) AS domain
FROM (SELECT *, split_part(url, '/', 3) AS host FROM batch)
"""
_COUNTS = "SELECT count(*), count(*) FILTER (WHERE digest), count(DISTINCT domain) FROM rows"
_IMAGES = """
SELECT count(*), min(images), quantile_disc(images, [0.25, 0.5, 0.75]), max(images), avg(images),
       count(*) FILTER (WHERE images = 1)
FROM (SELECT count(DISTINCT url) AS images FROM rows GROUP BY name)
"""
_DUPLICATES = "SELECT sum(n - 1)::BIGINT FROM (SELECT count(*) AS n FROM rows GROUP BY name, url)"
_SHARED = """
SELECT count(*) FROM (SELECT url FROM rows GROUP BY url HAVING min(name) <> max(name))
"""


@dataclass(frozen=True)
class NameSizes:
    """How many different URLs a name has."""

    least: int
    quartiles: tuple[int, int, int]
    most: int
    mean: float
    single: int  # names with one


@dataclass(frozen=True)
class ManifestStatistics:
    """What a manifest holds; counts of rows are of accepted ones.

    `duplicates` are rows whose URL and name stand in another row before; `shared` URLs stand under
    several names. `domains` are the largest of `domain_count` hosts, as (host, rows).
    """

    tally: ManifestTally
    rows: int
    names: int
    images: NameSizes
    duplicates: int
    shared: int
    digests: int
    schemes: dict[str, int]
    domain_count: int
    domains: list[tuple[str, int]]


def manifest_statistics(
    manifest: Manifest, top: int = 20, memory: str = "2GB"
) -> ManifestStatistics:
    """Read a manifest once and count.

    Args:
        manifest: What is read; of released ones the persons count as names.
        top: How many domains are named.
        memory: What counting may use before it goes to the disk.

    Raises:
        WebbodyError: No row can be used.
    """
    tally = ManifestTally()
    with (
        scratch_folder("stats") as scratch,
        ScratchDatabase(scratch, memory) as database,
    ):
        for _ in database.query(_TABLE, batch=(_ROWS, _rows(manifest, tally))):
            pass
        refuse_unusable(manifest.path, tally)
        rows, digests, domain_count = database.row(_COUNTS)
        names, least, quartiles, most, mean, single = database.row(_IMAGES)
        (duplicates,) = database.row(_DUPLICATES)
        (shared,) = database.row(_SHARED)
        schemes = database.rows("SELECT scheme, count(*) FROM rows GROUP BY ALL ORDER BY 2 DESC, 1")
        domains = database.rows(
            f"SELECT domain, count(*) FROM rows GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT {int(top)}"
        )
    return ManifestStatistics(
        tally=tally,
        rows=rows,
        names=names,
        images=NameSizes(least, tuple(quartiles), most, mean, single),
        duplicates=duplicates,
        shared=shared,
        digests=digests,
        schemes=dict(schemes),
        domain_count=domain_count,
        domains=domains,
    )


def _rows(manifest: Manifest, tally: ManifestTally) -> Iterator[pa.RecordBatch]:
    for batch in tallied(manifest, tally):
        good = batch.column("outcome").is_null()
        yield batch.select(_ROWS.names).filter(good)
