"""What people decided about identities, in the terms of one build; it wins over thresholds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.stage import Inputs
from pipelines.identity.tables import kept, rows_of

#: Two names, in order.
NamePair = tuple[str, str]


@dataclass(frozen=True)
class Adjustments:
    """Crops that are out or kept whatever the figures say, names that are one person or two.

    out: outcome of each crop that is taken out. keep: crops that are kept, with their names, by
    shard. one, two: pairs of names. because: of a crop, the correction that decided.
    """

    out: Mapping[str, str] = field(default_factory=dict)
    keep: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    one: frozenset[NamePair] = frozenset()
    two: frozenset[NamePair] = frozenset()
    because: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept_crops(self) -> set[str]:
        """Everything that somebody wants in the build."""
        return {crop for keep in self.keep.values() for crop in keep}

    def is_kept(self, shard: str, crop: str) -> bool:
        """Whether somebody wants this crop in the build."""
        return crop in self.keep.get(shard, {})

    def clustered(self, inputs: Inputs, shard: str) -> pa.Table:
        """Crop, key and name of everything of a shard that has a person, also of what is out.

        What clustering kept, in the order of its table, and then what is kept all the same.
        """
        clusters = inputs.table("clusters", shard, ["crop", "key", "name", "outcome"])
        table = kept(clusters).drop_columns(["outcome"])
        more = self.keep.get(shard, {})
        there = set(table["crop"].to_pylist())
        forced = sorted(crop for crop in more if crop not in there)
        if not forced:
            return table
        faces = inputs.table("faces", shard, ["crop", "key"])
        rows = rows_of(pa.array(forced), faces["crop"])
        added = {
            "crop": forced,
            "key": faces["key"].take(pa.array(rows)).to_pylist(),
            "name": [more[crop] for crop in forced],
        }
        return pa.concat_tables([table, pa.table(added, table.schema)])

    def without_out(self, table: pa.Table) -> pa.Table:
        """The rows whose crop nobody took out."""
        if not self.out:
            return table
        gone = pc.is_in(table["crop"], value_set=pa.array(sorted(self.out), pa.string()))
        return table.filter(pc.invert(gone))


NO_ADJUSTMENTS = Adjustments()


class NameGroups:
    """Names that are one person, directly or by way of others; the first name is the root."""

    def __init__(self, pairs: Iterable[NamePair] = ()) -> None:
        self._first: dict[str, str] = {}
        for pair in pairs:
            self.join(pair)

    def join(self, pair: NamePair) -> None:
        """Make two names, with all that are one person with them, one person."""
        low, high = sorted(self.root(name) for name in pair)
        self._first[high] = low

    def root(self, name: str) -> str:
        """The first of the names that are one person with this one; itself if it is alone."""
        while (first := self._first.get(name, name)) != name:
            name = first
        return name
