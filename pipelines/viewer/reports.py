"""Evaluations and trainings in the browser: their static pages, made anew whenever one asks."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipelines.evaluate.report.beside import read_beside
from pipelines.evaluate.report.content import FIGURES, read_evaluation
from pipelines.evaluate.report.page import beside_page, embedded, page, rankings_of
from pipelines.training_report.content import is_training, read_training
from pipelines.training_report.page import embedded_picture, training_page
from pipelines.viewer.security import Gate, Guarded
from webbody.build_records import BUILD_FILE
from webbody.errors import WebbodyError
from webbody.redaction import redacted
from webbody.storage import Folder

#: These pages hold their styles and pictures themselves, and no script.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
#: Seconds after which the page of a training that goes on is asked for again.
_AGAIN = 30


@dataclass(frozen=True)
class MadeReport:
    """A page; goes_on: it will be another one soon."""

    html: str
    goes_on: bool = False


#: Makes the page of a folder as it is now.
MakeReport = Callable[[], MadeReport]


def report_of(out: str, beside: str = "") -> MakeReport | None:
    """How to make the page of an evaluation or a training; None where the folder holds a build.

    Args:
        out: The folder.
        beside: That of another evaluation, to be shown beside it.
    """
    folder = Folder(out)
    if beside:
        return lambda: _beside(out, beside)
    if folder.size(BUILD_FILE) is not None:
        return None
    if folder.size(FIGURES) is not None:
        return lambda: _evaluation(out)
    return (lambda: _training(out)) if is_training(out) else None


class ReportSite:
    """One page behind a gate."""

    def __init__(self, make: MakeReport, gate: Gate) -> None:
        self._make, self._gate = make, gate

    def app(self) -> Starlette:
        """The application behind its gate."""
        return Starlette(
            routes=[Route("/", self._page)],
            middleware=[Middleware(Guarded, gate=self._gate, policy=_POLICY)],
            exception_handlers={WebbodyError: self._told},
        )

    def _page(self, request: Request) -> Response:
        made = self._make()
        again = {"Refresh": str(_AGAIN)} if made.goes_on else None
        return HTMLResponse(redacted(made.html).encode("utf-8", "replace"), headers=again)

    def _told(self, request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"{error}\n", 400)


def _evaluation(out: str) -> MadeReport:
    content = read_evaluation(out)
    return MadeReport(page(content, embedded(rankings_of(content))))


def _beside(out: str, other: str) -> MadeReport:
    content = read_beside(out, other)
    return MadeReport(beside_page(content, embedded(rankings_of(content))))


def _training(out: str) -> MadeReport:
    content = read_training(out)
    return MadeReport(training_page(out, content, embedded_picture), not content.is_done)
