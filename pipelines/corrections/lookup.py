"""The pictures and people of a build, as its tables name them, for whoever corrects it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.row_lookup import shards_of_names, shards_with
from pipelines.corrections.correction import CropReference, PersonReference
from pipelines.corrections.locating import LocatedCrop, fractions
from webbody.build_records import BuildRecords
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.sample_keys import packed_key
from webbody.storage import Folder

#: Pictures by which a name is known again: enough that some are left when others vanish.
ANCHORS = 5


@dataclass(frozen=True)
class Pictured(LocatedCrop):
    """A crop of a build with its content."""

    reference: CropReference


class BuildLookup:
    """Finds crops and people in a build folder; only valid records are read."""

    def __init__(self, out: str) -> None:
        self.folder = Folder(out)
        self.records = BuildRecords(self.folder)
        if "identities" not in (self.records.build.get("stages") or {}):
            raise WebbodyError(
                f"{out}: knows no people, so there is nothing to correct in it: it holds whole "
                "photos, or was built from a release, or by an older version."
            )

    def columns(self, stage: str, shard: str, columns: list[str]) -> pa.Table | None:
        """Columns of a shard's table; None where it is not committed."""
        record = self.records.get(stage, shard)
        if record is None or f"{shard}.parquet" not in record.outputs:
            return None
        with self.folder.open(f"{stage}/{shard}.parquet") as file:
            return read_parquet(file, columns=columns)

    def crops(self, item: str) -> list[Pictured]:
        """The crops that are meant by a key of a crop, sample or row, or by a URL.

        Raises WebbodyError where there is none.
        """
        key, crop = item, None
        if "-" in item and "/" not in item:
            key, crop = item.rpartition("-")[0], item
        found: list[Pictured] = []
        sample = item if len(item) == len(packed_key("", ())) else ""
        for shard in self._shards([item, key], bool(sample)):
            crops = self._of_sample(shard, sample)
            found += self._pictured(shard, key, item, crop, crops)
        if not found:
            raise WebbodyError(
                f"{item}: no crop of this build is called so, or comes from that URL; keys stand "
                "in its tables, in `webbody explain` and in the viewer."
            )
        return found

    def person(self, item: str) -> tuple[str, ...]:
        """The names of a person: of an id all that he bears, of a name that alone.

        Raises WebbodyError where there is none.
        """
        if (
            item.isascii()
            and item.isdecimal()
            and len(item) < 19
            and self.records.get("identities") is not None
        ):
            with self.folder.open("identities/people.parquet") as file:
                people = read_parquet(file, columns=["person", "names"])
            rows = people.filter(pc.equal(people["person"], int(item)))
            if len(rows):
                return tuple(rows["names"][0].as_py())
        if any(self._names_in(shard, item) for shard in self._of_names([item])):
            return (item,)
        raise WebbodyError(f"{item}: is neither a person's id nor a name of this build.")

    def reference(self, names: Iterable[str], without: Sequence[str] = ()) -> PersonReference:
        """Some pictures of each name, the surest first; `without` these crops."""
        found = (self._anchors(name, set(without)) for name in names)
        return tuple(one for one in found if one)

    def _anchors(self, name: str, without: set[str]) -> tuple[CropReference, ...]:
        """The pictures closest to the centre of a name; of a name without a person any."""
        out: list[tuple[float, str, str]] = []
        for shard in sorted(self._of_names([name])):
            for stage, columns in (
                ("clusters", ["crop", "name", "outcome", "similarity"]),
                ("clusters", ["crop", "name"]),
            ):
                table = self.columns(stage, shard, columns)
                if table is None or out:
                    continue
                table = table.filter(pc.equal(table["name"], name))
                if "outcome" in columns:
                    table = table.filter(table["outcome"].is_null())
                for row in table.to_pylist():
                    if row["crop"] not in without:
                        out.append((-(row.get("similarity") or 0.0), row["crop"], shard))
        chosen = sorted(out)[:ANCHORS]
        references = [
            one.reference
            for _, crop, shard in chosen
            for one in self._pictured(shard, crop.rpartition("-")[0], "", crop, ())
        ]
        return tuple(references)

    def _shards(self, values: list[str], everywhere: bool) -> Iterable[str]:
        shards = None if everywhere else shards_with(self.folder, "plan", values)
        planned = self.records.shards
        return planned if shards is None else sorted(set(shards) & set(planned))

    def _of_names(self, names: list[str]) -> set[str]:
        return shards_of_names(self.folder, "plan", self.records.shards, names)

    def _names_in(self, shard: str, name: str) -> bool:
        plan = self.columns("plan", shard, ["name"])
        return plan is not None and bool(pc.any(pc.equal(plan["name"], name)).as_py())

    def _of_sample(self, shard: str, sample: str) -> Sequence[str]:
        table = self.columns("identities", shard, ["crop", "sample"]) if sample else None
        if table is None:
            return ()
        crops: list[str] = table.filter(pc.equal(table["sample"], sample))["crop"].to_pylist()
        return crops

    def _pictured(
        self, shard: str, key: str, url: str, crop: str | None, also: Sequence[str]
    ) -> list[Pictured]:
        """The crops of a row by key or URL (or that one alone), and those that are named."""
        plan = self.columns("plan", shard, ["key", "url", "name"])
        if plan is None:
            return []
        keys = pa.array([key, *(one.rpartition("-")[0] for one in also)])
        wanted = pc.or_(pc.is_in(plan["key"], value_set=keys), pc.equal(plan["url"], url))
        rows = {row["key"]: row for row in plan.filter(wanted).to_pylist()}
        photos = self.columns("download", shard, ["key", "sha256", "width", "height"])
        persons = self.columns("persons", shard, ["crop", "key", "area", "outcome"])
        if not rows or photos is None or persons is None:
            return []
        there = pa.array(sorted(rows))
        photos = photos.filter(pc.is_in(photos["key"], value_set=there))
        persons = persons.filter(pc.is_in(persons["key"], value_set=there))
        by_key = {photo["key"]: photo for photo in photos.to_pylist()}
        out = []
        for row in persons.to_pylist():
            one = [crop] if crop else list(also)
            if row["area"] is None or (one and row["crop"] not in one):
                continue
            photo = by_key[row["key"]]
            area = fractions(row["area"], photo["width"], photo["height"])
            reference = CropReference(photo["sha256"], area)
            name = rows[row["key"]]["name"]
            out.append(Pictured(shard, row["crop"], row["key"], name, reference))
        return out
