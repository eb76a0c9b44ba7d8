"""What tests of releases share: the card, and what stands in a release."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from webbody.releases.card import Card, dated, read_card
from webbody.releases.release import Release

CARD = Path(__file__).parents[2] / "examples/release-card.yaml"
FILES = {
    "CITATION.cff", "README.md", "SHA256SUMS", "changes.json", "changes.parquet",
    "croissant.json", "data/test-00000.parquet", "data/train-00000.parquet", "domains.csv",
    "figures.json", "release.json", "removals.parquet",
}  # fmt: skip
PLAIN = {pa.string(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.date32()}


def card(**changes) -> Card:
    return dated(read_card(CARD), "2026-12-01").model_copy(update=changes)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def samples(folder) -> list[dict]:
    return pa.concat_tables(Release.read(folder).tables()).to_pylist()


def plan_rows(demo) -> list[dict]:
    names = [p for p in (demo.out / "plan").glob("*.parquet") if p.stem != "rejected"]
    return [row for name in names for row in pq.read_table(name).to_pylist()]
