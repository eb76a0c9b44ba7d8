"""The rows and samples of a build folder that a list of removals matches."""

from dataclasses import dataclass, field
from typing import Any

from pipelines.stages.plan import REJECTED_FILE
from webbody.commit import is_side_file
from webbody.parquet_tables import read_parquet
from webbody.removals import NO_REMOVALS, RemovalLists
from webbody.storage import Folder


@dataclass
class TakenRows:
    """What goes. keys: working keys of rows, by planned shard; samples: packed keys.

    pictures, urls: sha256 and addresses of those rows; `lost` are the names that have no row left.
    rejected: whether rows that the plan rejected are meant, too. lists: which say so.
    """

    lists: RemovalLists = NO_REMOVALS

    keys: dict[str, set[str]] = field(default_factory=dict)
    samples: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)
    urls: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    rejected: bool = False

    @property
    def rows(self) -> int:
        return sum(map(len, self.keys.values()))


def planned_files(folder: Folder) -> list[str]:
    """The shards of the plan on disk, whether their records are valid or not."""
    names = [name for name in folder.names("plan") if name.endswith(".parquet")]
    return [n.removesuffix(".parquet") for n in names if n != REJECTED_FILE and not is_side_file(n)]


def taken_rows(folder: Folder, lists: RemovalLists) -> TakenRows:
    """The rows and samples of a folder that the lists match."""
    taken = TakenRows(lists)
    for url, name in rows_of_table(folder, f"plan/{REJECTED_FILE}", "url", "name"):
        taken.rejected |= lists.contains(url=url, name=name)
    bearing: dict[str, int] = {}
    going: dict[str, int] = {}
    for shard in planned_files(folder):
        keys = set()
        digests = dict(rows_of_table(folder, f"download/{shard}.parquet", "key", "sha256"))
        people: dict[str, list[tuple[int | None, str | None]]] = {}
        for key, person, sample in rows_of_table(
            folder, f"identities/{shard}.parquet", "key", "person", "sample"
        ):
            people.setdefault(key, []).append((person, sample))
        # Of a build of whole photos, which knows no people.
        for key, sample in rows_of_table(folder, f"quality/{shard}.parquet", "key", "sample"):
            people.setdefault(key, []).append((None, sample))
        plan = read_parquet(folder.open(f"plan/{shard}.parquet")).to_pylist()
        for row in plan:
            key, url, name = row["key"], row["url"], row.get("name")
            own = people.get(key, [])
            if "person" in row:  # of a build from a release, whose keys are those of samples
                own = [(row["person"], key)]
            if name is not None:
                bearing[name] = bearing.get(name, 0) + 1
            if lists.contains(
                url=url, name=name, sha256=digests.get(key) or row.get("sha256")
            ) or any(lists.contains(person=person, sample=sample) for person, sample in own):
                keys.add(key)
                taken.urls.add(url)
                if digests.get(key):
                    taken.pictures.add(digests[key])
                taken.samples |= {sample for _, sample in own if sample}
                if name is not None:
                    going[name] = going.get(name, 0) + 1
        if keys:
            taken.keys[shard] = keys
    taken.pictures -= _staying(folder, taken)
    taken.lost = {name for name, count in going.items() if count == bearing[name]}
    return taken


def _staying(folder: Folder, taken: TakenRows) -> set[str]:
    """Those of the pictures that go which stay at another address."""
    if not taken.pictures:
        return set()
    return {
        digest
        for shard in planned_files(folder)
        for key, digest in rows_of_table(folder, f"download/{shard}.parquet", "key", "sha256")
        if digest in taken.pictures and key not in taken.keys.get(shard, ())
    }


def rows_of_table(folder: Folder, name: str, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of a table as tuples; none where the table is not there."""
    if folder.size(name) is None:
        return []
    with folder.open(name) as file:
        table = read_parquet(file)
    if any(column not in table.column_names for column in columns):
        return []
    return list(zip(*(table[column].to_pylist() for column in columns), strict=True))
