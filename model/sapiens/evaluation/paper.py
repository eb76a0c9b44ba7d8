"""The figures that the paper and its repository print for each task, in the names of our own."""

from dataclasses import dataclass
from importlib.resources import files

from webbody.json_text import parse_json


@dataclass(frozen=True)
class PaperTable:
    """Rows of a table on one data set: a method's name, then a value for each of the columns.

    columns: names as in `SapiensFigures`, in its units. source: where it is printed.
    """

    source: str
    data: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]


def paper_tables(task: str, outputs: int) -> list[PaperTable]:
    """The tables for a task's models of so many outputs.

    Humans-5K, Humans-2K and the renders of THuman2.0 are not public; the 114 points of Table 3 are
    not published either. Figures of other data are no comparison, only an order of magnitude.
    """
    text = (files("model.sapiens.evaluation") / "paper_tables.json").read_text("utf-8")
    return [
        PaperTable(
            table["source"],
            table["data"],
            tuple(table["columns"]),
            tuple((name, tuple(values)) for name, *values in table["rows"]),
        )
        for table in parse_json(text)
        if table["task"] == task and outputs in table["outputs"]
    ]
