"""The files of an evaluation."""

from collections.abc import Sequence

from pipelines.evaluate.report.tables import to_csv, to_json, to_latex
from pipelines.evaluate.run import Evaluated
from webbody.redaction import redacted
from webbody.storage import Folder


def write(out: str, found: Sequence[Evaluated]) -> list[str]:
    """Write evaluation.json, .csv, .tex and .html into a folder; returns their names.

    Each file is written atomically and without secrets of addresses. The page is left out if the
    build's libraries are not installed.
    """
    texts = {"json": to_json(found), "csv": to_csv(found), "tex": to_latex(found)}
    try:
        from pipelines.evaluate.report.page import page
    except ImportError:
        pass
    else:
        texts["html"] = page(found)
    folder = Folder(out)
    names = [f"evaluation.{ending}" for ending in texts]
    for name, text in zip(names, texts.values(), strict=True):
        folder.write_bytes(name, redacted(text).encode("utf-8", "replace"))
    return names
