"""The queries of an evaluation and the first images of their rankings, as a table beside it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.evaluate.run import Evaluated
from pipelines.evaluate.tasks.figure import RankedImage, RankedQuery
from pipelines.evaluate.tasks.retrieval import Retrieval
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.redaction import redacted
from webbody.storage import Folder

RANKINGS = "rankings.parquet"
#: root: the folder that the images lie in; empty where they are `SHARD/KEY`.
SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("figure", pa.string()),
        ("root", pa.string()),
        ("query", pa.string()),
        ("precision", pa.float64()),
        ("first_match", pa.int64()),
        ("image", pa.list_(pa.string())),
        ("cosine", pa.list_(pa.float32())),
        ("match", pa.list_(pa.bool_())),
    ]
)


@dataclass(frozen=True)
class FigureRankings:
    """The queries of a figure; root: see SCHEMA."""

    root: str
    queries: list[RankedQuery]


def rankings_table(found: Sequence[Evaluated]) -> pa.Table:
    """The queries of all figures, without secrets of addresses."""
    rows = [
        {
            "dataset": one.name,
            "figure": figure.name,
            "root": redacted(one.task.root) if isinstance(one.task, Retrieval) else "",
            "query": redacted(query.image),
            "precision": query.precision,
            "first_match": query.first_match,
            "image": [redacted(image.image) for image in query.found],
            "cosine": [image.cosine for image in query.found],
            "match": [image.match for image in query.found],
        }
        for one in found
        for figure in one.figures
        for query in figure.queries
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def read_rankings(folder: Folder) -> dict[tuple[str, str], FigureRankings]:
    """The queries by data set and figure; none where the evaluation is of an older version.

    Raises WebbodyError where the table cannot be read.
    """
    try:
        with folder.open(RANKINGS) as file:
            table = read_parquet(file, schema=SCHEMA)
    except FileNotFoundError:
        return {}
    except (OSError, pa.ArrowException) as error:
        raise WebbodyError(
            f"{folder.url}/{RANKINGS}: cannot be read ({error}); evaluate again."
        ) from error
    found: dict[tuple[str, str], FigureRankings] = {}
    queries: dict[tuple[str, str], list[RankedQuery]] = defaultdict(list)
    for row in table.to_pylist():
        key = row["dataset"], row["figure"]
        shown = zip(row["image"], row["cosine"], row["match"], strict=True)
        images = [RankedImage(*one) for one in shown]
        queries[key].append(RankedQuery(row["query"], row["precision"], row["first_match"], images))
        found.setdefault(key, FigureRankings(row["root"], queries[key]))
    return found
