"""The history of one manifest row, stage by stage, with the deciding figures."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.row_lookup import shards_with
from pipelines.corrections.told import said_by_id
from pipelines.engine.graph import PLAN
from pipelines.inspection.damage import damage_told
from pipelines.outcomes import setting_of, value_of
from pipelines.stages.plan import as_rejected
from webbody.build_records import BuildRecords, planned_shards
from webbody.config import FLAGS
from webbody.errors import WebbodyError
from webbody.manifest.parts import place_of
from webbody.parquet_tables import open_parquet, read_parquet
from webbody.removals import TAKEDOWN, lists_in
from webbody.sample_keys import packed_key
from webbody.storage import Folder

#: Columns to show, per stage.
_FIGURES = {
    "download": ("detail", "sha256", "bytes", "format", "width", "height", "hash_match"),
    "persons": ("detail", "score", "box", "width", "height"),
    "quality": ("detail", "sample", "score", "side", "text", "texture"),
    "crops": ("detail", "state", "bits", "width", "height"),
    "faces": ("detail", "score", "box", "norm"),
    "flags": (
        "detail",
        "sharpness",
        "face_sharpness",
        "brightness_5",
        "brightness_99",
        "entropy",
        "aspect",
        "yaw",
        "pitch",
        *FLAGS,
    ),
    "clusters": ("detail", "cluster", "links", "similarity"),
    "identities": ("detail", "sample", "person", "similarity"),
    "keypoints": ("person",),
    "ledger": ("stage", "detail"),
}

#: The stages that give packed samples their keys.
_NAMING = ("identities", "quality")


@dataclass
class StageVerdict:
    """A stage's outcome for an image or one of its crops."""

    stage: str
    item: str  # key of the image or crop
    outcome: str  # "passed", or the reason
    figures: dict[str, Any] = field(default_factory=dict)
    setting: str = ""  # the deciding setting with its value


@dataclass
class Story:
    """Everything known about one manifest row."""

    url: str
    name: str
    key: str
    shard: str
    outcome: str
    steps: list[StageVerdict] = field(default_factory=list)


def explain(out: str, query: str) -> list[Story]:
    """The stories of a URL (one per name it stands under), of a row's, crop's or sample's key.

    Of what was taken down only that is told. Raises WebbodyError where `out` is no build, a table
    is damaged, or nothing matches.
    """
    with damage_told(out):
        return stories_of(BuildRecords(Folder(out)), query)


def stories_of(records: BuildRecords, query: str) -> list[Story]:
    """The same of a build whose records are at hand."""
    folder = records.folder
    plan = records.need(PLAN.name)
    stories = list(_rejected(folder, query))
    keys = pa.array([query.split("-")[0], *_of_sample(records, query)])
    planned = planned_shards(plan)
    shards = shards_with(folder, PLAN.name, [query, *keys.to_pylist()])
    for shard in planned if shards is None else sorted(set(shards) & set(planned)):
        table = read_parquet(folder.open(f"plan/{shard}.parquet"))
        found = pc.or_(pc.equal(table["url"], query), pc.is_in(table["key"], value_set=keys))
        rows = table.filter(found)
        for row in rows.to_pylist():
            stories.append(_story(records, shard, row))
    if not stories and lists_in(folder).contains(url=query, sample=query):
        told = {"detail": "removed on request; nothing else is kept of it"}
        step = StageVerdict("plan", "list of removals", TAKEDOWN, told)
        stories.append(Story(query, "", "", "", TAKEDOWN, [step]))
    if not stories:
        raise WebbodyError(
            f"{query} is neither a URL nor a key of the manifest behind {folder.url}; "
            "keys are in the tables, and packed samples are called by them."
        )
    return stories


def story_of_row(records: BuildRecords, shard: str, key: str) -> Story | None:
    """The story of a row whose shard is known; None where it is not there."""
    with records.folder.open(f"{PLAN.name}/{shard}.parquet") as file:
        table = read_parquet(file)
    for row in table.filter(pc.equal(table["key"], key)).to_pylist():
        return _story(records, shard, row)
    return None


def _of_sample(records: BuildRecords, query: str) -> list[str]:
    """The working keys of the rows that a packed sample was made of."""
    keys: list[str] = []
    for shard in records.shards if len(query) == len(packed_key("", ())) else ():
        for stage in _NAMING:
            if records.get(stage, shard) is not None:
                with records.folder.open(f"{stage}/{shard}.parquet") as file:
                    table = read_parquet(file, columns=["key", "sample"])
                keys += table.filter(pc.equal(table["sample"], query))["key"].to_pylist()
    return keys


def _rejected(folder: Folder, query: str) -> Iterator[Story]:
    table = as_rejected(read_parquet(folder.open("plan/rejected.parquet")))
    for row in table.filter(pc.equal(table["url"], query)).to_pylist():
        place = place_of(row["file"], row["line"])
        step = StageVerdict("plan", place, row["outcome"], {"detail": row["detail"]})
        yield Story(row["url"], row["name"] or "", "", "", row["outcome"], [step])


def _story(records: BuildRecords, shard: str, row: dict[str, Any]) -> Story:
    folder, settings = records.folder, records.build.get("config") or {}
    said = said_by_id(folder)
    name = row["name"] or ""  # a release has none
    story = Story(row["url"], name, row["key"], shard, "not processed yet")
    for stage, columns in _FIGURES.items():
        record = records.get(stage, shard)
        if record is None or f"{shard}.parquet" not in record.outputs:
            continue
        with folder.open(f"{stage}/{shard}.parquet") as file:
            there = open_parquet(file).schema_arrow.names
            # Features are a hundred times all else.
            wanted = dict.fromkeys(("key", "crop", "outcome", *columns))
            table = read_parquet(file, columns=[name for name in wanted if name in there])
        for found in table.filter(pc.equal(table["key"], row["key"])).to_pylist():
            figures = {name: found[name] for name in columns if found.get(name) is not None}
            if stage == "flags":  # of flags those that are set
                figures = {k: v for k, v in figures.items() if k not in FLAGS or v}
            outcome = found["outcome"] or "passed"
            if "detail" in figures:
                figures["detail"] = said.get(figures["detail"], figures["detail"])
            item = found.get("crop") or found["key"]
            setting = "" if stage == "ledger" else _setting(outcome, settings)
            story.steps.append(StageVerdict(stage, item, outcome, figures, setting))
            if stage == "ledger":
                story.outcome = outcome
    return story


def _setting(outcome: str, settings: dict[str, Any]) -> str:
    """The setting that decides such an outcome, such as `clusters.eps 0.5`; "" where none does."""
    setting = setting_of(outcome)
    return f"{setting} {value_of(setting, settings)}" if setting else ""
