"""Tables as text, as spreadsheets and as LaTeX read them."""

import csv
import io
from collections.abc import Iterable, Sequence


def as_csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines of cells, those with commas or quotes in quotes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def as_tabular(columns: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a tabular for LaTeX's package booktabs; the cells are LaTeX already.

    columns: their alignment, as in `lrr`.
    """
    return [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line(head),
        r"\midrule",
        *map(_line, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def escaped(text: str) -> str:
    """The text as LaTeX shows it."""
    return "".join("\\" + sign if sign in "&%$#_{}" else sign for sign in text)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
