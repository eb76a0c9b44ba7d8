"""The files of an evaluation."""

from collections.abc import Sequence

import pyarrow.parquet as pq

from pipelines.evaluate.report.rankings import RANKINGS, rankings_table
from pipelines.evaluate.report.tables import to_csv, to_json, to_latex
from pipelines.evaluate.run import Evaluated
from webbody.redaction import redacted
from webbody.storage import Folder

PAGE, BESIDE = "evaluation.html", "beside.html"


def write(out: str, found: Sequence[Evaluated]) -> list[str]:
    """Write evaluation.json, .csv, .tex and .html, and rankings.parquet; returns their names.

    Each file is written atomically and without secrets of addresses. The page is left out if the
    build's libraries are not installed.
    """
    folder = Folder(out)
    texts = {"json": to_json(found), "csv": to_csv(found), "tex": to_latex(found)}
    names = [f"evaluation.{ending}" for ending in texts]
    for name, text in zip(names, texts.values(), strict=True):
        _write_text(folder, name, text)
    with folder.write(RANKINGS) as file:
        pq.write_table(rankings_table(found), file, compression="zstd")
    names.append(RANKINGS)
    try:
        from pipelines.evaluate.report.page import embedded, page, rankings_of
    except ImportError:
        return names
    from pipelines.evaluate.report.content import read_evaluation

    content = read_evaluation(out)
    _write_text(folder, PAGE, page(content, embedded(rankings_of(content))))
    return [*names, PAGE]


def write_beside(out: str, other: str) -> str:
    """Write `out`/beside.html, of two evaluations side by side; returns the file's name.

    Raises WebbodyError where a folder holds no evaluation, or they share no figure.
    """
    from pipelines.evaluate.report.beside import read_beside
    from pipelines.evaluate.report.page import beside_page, embedded, rankings_of

    content = read_beside(out, other)
    _write_text(Folder(out), BESIDE, beside_page(content, embedded(rankings_of(content))))
    return BESIDE


def _write_text(folder: Folder, name: str, text: str) -> None:
    folder.write_bytes(name, redacted(text).encode("utf-8", "replace"))
