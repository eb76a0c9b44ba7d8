"""The rows of a shard as pages need them: the tables of all stages joined, without pictures.

One row per crop, and one per manifest row that has no crop. What a stage has not decided yet is
null, so a shard of a build that still runs is a shard like any other.
"""

from collections.abc import Mapping

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.build_files import BuildFiles
from webbody.parquet_tables import read_parquet

_TEXT, _WHOLE, _REAL = pa.string(), pa.int32(), pa.float32()
_CROP = [("crop", _TEXT), ("key", _TEXT), ("outcome", _TEXT), ("detail", _TEXT)]
_PLACE = [("offset", pa.int64()), ("length", pa.int64())]

#: What is read of each stage; columns that a table lacks, and tables that are not there, are null.
_READ = {
    "plan": [
        ("key", _TEXT), ("url", _TEXT), ("name", _TEXT), ("person", pa.int64()), ("split", _TEXT),
    ],
    "download": [
        ("key", _TEXT), ("outcome", _TEXT), ("detail", _TEXT), ("sha256", _TEXT),
        ("bytes", pa.int64()), ("width", _WHOLE), ("height", _WHOLE), ("format", _TEXT), *_PLACE,
    ],
    "persons": [
        *_CROP, ("index", _WHOLE), ("score", _REAL), ("width", _WHOLE), ("height", _WHOLE),
        ("area", pa.list_(_WHOLE)), ("digest", _TEXT), *_PLACE,
    ],
    "crops": [
        *_CROP, ("width", _WHOLE), ("height", _WHOLE), ("area", pa.list_(_WHOLE)),
        ("digest", _TEXT), *_PLACE,
    ],
    "quality": [
        ("key", _TEXT), ("outcome", _TEXT), ("detail", _TEXT), ("score", _REAL), ("side", _REAL),
        ("text", _REAL), ("texture", _REAL), ("sample", _TEXT),
    ],
    "faces": [*_CROP, ("box", pa.list_(_REAL)), ("score", _REAL), ("norm", _REAL)],
    "flags": [*_CROP],
    "clusters": [*_CROP, ("links", _WHOLE), ("similarity", _REAL)],
    "identities": [
        *_CROP, ("sample", _TEXT), ("person", pa.int64()), ("similarity", _REAL),
    ],
    "keypoints": [*_CROP, ("keypoints", pa.list_(_REAL))],
    "ledger": [("key", _TEXT), ("outcome", _TEXT), ("detail", _TEXT)],
}  # fmt: skip

#: The rows of `found` are crops. The stage that a crop reached last decides, also over an earlier
#: one: who corrects keeps pictures in spite of their outcome. Without faces (builds from a release,
#: whole photos) a crop is kept with its row. `place` is the order inside a shard, `tie` a number by
#: which rows are told apart and ties are broken, quicker than by texts.
_JOINED = """
WITH found AS (
    SELECT *, 'persons' AS tar FROM persons
    UNION ALL BY NAME SELECT *, 0 AS index, 'crops' AS tar FROM crops
), seen AS (
    SELECT crop, keypoints,
           len(list_filter(range(19), lambda i: keypoints[i * 3 + 3] > 0)) AS points,
           len(list_filter(range(13, 19), lambda i: keypoints[i * 3 + 3] > 0)) AS lower_points
    FROM keypoints
)
SELECT
    row_number() OVER (ORDER BY p.name, p.key, f.index)::INTEGER AS place,
    (hash(p.key, f.index) >> 1)::BIGINT AS tie,
    p.key,
    CASE WHEN f.index >= 0 THEN f.crop END AS crop,
    coalesce(f.index, 0) <= 0 AS first,
    p.url, p.name,
    lower(regexp_extract(p.url, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?([^/:?#]+)', 1)) AS domain,
    CASE
        WHEN k.crop IS NOT NULL THEN coalesce(k.outcome, 'kept')
        WHEN i.crop IS NOT NULL THEN coalesce(i.outcome, 'undecided')
        WHEN c.crop IS NOT NULL THEN coalesce(c.outcome, 'undecided')
        WHEN g.outcome IS NOT NULL THEN g.outcome
        WHEN a.crop IS NOT NULL THEN coalesce(a.outcome, 'undecided')
        WHEN q.outcome IS NOT NULL THEN q.outcome
        WHEN f.outcome IS NOT NULL THEN f.outcome
        WHEN d.outcome IS NOT NULL THEN d.outcome
        WHEN f.crop IS NOT NULL AND l.outcome = 'kept' AND NOT has_faces THEN 'kept'
        WHEN d.key IS NULL AND l.outcome IS NOT NULL THEN l.outcome
        ELSE 'undecided'
    END AS outcome,
    coalesce(l.outcome, 'undecided') AS row_outcome,
    coalesce(
        k.detail, i.detail, c.detail, g.detail, a.detail, q.detail, f.detail, d.detail, l.detail
    ) AS detail,
    coalesce(i.person, p.person) AS person,
    coalesce(i.sample, q.sample) AS sample,
    p.split AS planned_split,
    coalesce(f.score, q.score) AS person_score,
    f.width, f.height, least(f.width, f.height) AS side,
    f.area, f.digest, f.tar, f.offset, f.length,
    a.score AS face_score, a.norm AS face_norm,
    CASE WHEN a.box IS NOT NULL THEN greatest(a.box[3] - a.box[1], a.box[4] - a.box[2]) END
        AS face_size,
    a.box AS face_box,
    c.similarity AS similarity, c.links AS links, i.similarity AS decided,
    s.points::INTEGER AS points, s.lower_points::INTEGER AS lower_points,
    q.text AS text_share, q.texture AS texture,
    d.sha256, d.bytes, d.width AS image_width, d.height AS image_height, d.format,
    d.offset AS image_offset, d.length AS image_length
FROM plan p
CROSS JOIN (SELECT count(*) > 0 AS has_faces FROM faces)
LEFT JOIN download d ON d.key = p.key
LEFT JOIN found f ON f.key = p.key
LEFT JOIN quality q ON q.key = p.key
LEFT JOIN faces a ON a.crop = f.crop
LEFT JOIN flags g ON g.crop = f.crop
LEFT JOIN clusters c ON c.crop = f.crop
LEFT JOIN identities i ON i.crop = f.crop
LEFT JOIN keypoints k ON k.crop = f.crop
LEFT JOIN seen s ON s.crop = f.crop
LEFT JOIN ledger l ON l.key = p.key
ORDER BY place
"""

#: The stages whose records a shard's rows depend on.
STAGES = tuple(_READ)


def shard_rows(build: BuildFiles, shard: str) -> pa.Table:
    """The rows of a planned shard."""
    tables = {stage: _table(build, stage, shard) for stage in _READ}
    flags = _flags(build, shard)
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        for name, table in tables.items():
            database.register(name, table)
        joined = database.execute(_JOINED).to_arrow_table()
    joined = joined.append_column("shard", pa.array([shard] * len(joined), pa.string()))
    return joined if flags is None else _with_flags(joined, flags)


def rejected_rows(table: pa.Table) -> pa.Table:
    """The rows that planning rejected (as `as_rejected` gives them), which have no key."""
    outcome = table["outcome"].cast(_TEXT)
    return pa.table(
        {
            "url": table["url"], "name": table["name"], "outcome": outcome, "row_outcome": outcome,
            "detail": table["detail"], "first": pa.array([True] * len(table)),
            "place": pa.array(range(len(table)), _WHOLE),
            "tie": pa.array(range(-len(table), 0), pa.int64()),
        }
    )  # fmt: skip


def _table(build: BuildFiles, stage: str, shard: str) -> pa.Table:
    schema = pa.schema(_READ[stage])
    table = stage_table(build, stage, shard, schema)
    return schema.empty_table() if table is None else table


def stage_table(
    build: BuildFiles, stage: str, shard: str, schema: pa.Schema | None = None
) -> pa.Table | None:
    """The table of a shard, cast to `schema`; None where it is not committed, or lost."""
    record = build.record(stage, shard)
    if record is None or f"{shard}.parquet" not in record.outputs:
        return None
    try:
        with build.folder.open(f"{stage}/{shard}.parquet") as file:
            return read_parquet(file, schema=schema)
    except FileNotFoundError:  # lost after the commit; `webbody status` tells
        return None


def _flags(build: BuildFiles, shard: str) -> pa.Table | None:
    """What the stage `flags` says of crops, where the build has it: its figures and yes or no."""
    table = stage_table(build, "flags", shard)
    if table is None:
        return None
    kinds = (pa.types.is_boolean, pa.types.is_floating, pa.types.is_integer)
    names = [
        field.name for field in table.schema if any(fits(field.type) for fits in kinds)
    ]  # fmt: skip
    return table.select(["crop", *names])


def _with_flags(joined: pa.Table, flags: pa.Table) -> pa.Table:
    rows = pc.index_in(joined["crop"], value_set=flags["crop"].combine_chunks())
    for name in flags.column_names:
        if name != "crop":
            joined = joined.append_column(f"flag_{name}", flags[name].take(rows))
    return joined


def flag_columns(names: Mapping[str, pa.DataType]) -> list[str]:
    """The columns among these that came of the stage `flags`."""
    return [name for name in names if name.startswith("flag_")]
