"""A release in the browser: what is in it, its data card, its URLs with their labels.

A release may be a stranger's: its tables are read as everywhere, compared with their digests first.
Nothing is fetched, and no address of a picture is a link.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pipelines.viewer.index.selection import page_number, whole
from pipelines.viewer.pages.rendering import render
from pipelines.viewer.security import Gate, Guarded
from pipelines.viewer.site import title_of
from pipelines.viewer.static import static_file
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.plain_text import plain_lines
from webbody.releases.figures import domain
from webbody.releases.format import splits_of
from webbody.releases.release import Release
from webbody.removals import read_removals

_PAGE = 100
_MOST_CARD, _MOST_FIGURES, _MOST_HOSTS = 1 << 20, 1 << 24, 1 << 16
_COLUMNS = ("key", "url", "person", "split", "width", "height", "fetched", "opt_out")
#: What samples are asked for by.
_ASKED = ("split", "person", "host", "url", "opt_out")


@dataclass(frozen=True)
class SampleFilter:
    """Which samples are shown; empty texts and None ask for nothing."""

    split: str = ""
    person: int | None = None
    host: str = ""
    url: str = ""
    opted_out: bool = False

    @classmethod
    def of(cls, asked: QueryParams) -> "SampleFilter":
        """As an address says; WebbodyError for a person that is no number."""
        person = asked.get("person", "")
        return cls(
            asked.get("split", ""), whole("person", person) if person else None,
            asked.get("host", ""), asked.get("url", ""), bool(asked.get("opt_out", "")),
        )  # fmt: skip

    def chosen(self, table: pa.Table) -> pa.Table:
        """Those of a table."""
        if self.person is not None:
            table = table.filter(pc.equal(table["person"], self.person))
        for text in {self.host, self.url} - {""}:
            table = table.filter(pc.match_substring(table["url"], text, ignore_case=True))
        if self.opted_out:
            table = table.filter(pc.is_valid(table["opt_out"]))
        if self.host:
            hosts = [domain(url) == self.host for url in table["url"].to_pylist()]
            table = table.filter(pa.array(hosts, pa.bool_()))
        return table


class ReleaseSite:
    """The pages of a release.

    Args:
        release: A folder of this machine.
        gate: Who may ask.
    """

    def __init__(self, release: Release, gate: Gate) -> None:
        self._release, self._gate = release, gate

    def app(self) -> Starlette:
        """The application behind its gate."""
        handlers: Any = {WebbodyError: self._user_error, HTTPException: self._missing}
        return Starlette(
            routes=[
                Route("/", self._content),
                Route("/card", self._card),
                Route("/samples", self._samples),
                Route("/static/{name}", static_file),
                Route("/favicon.ico", lambda request: Response(status_code=204)),
            ],
            middleware=[Middleware(Guarded, gate=self._gate)],
            exception_handlers=handlers,
        )

    def _content(self, request: Request) -> Response:
        figures, removals = self._figures(), self._removals()
        counted, build = figures.get("samples", {}), figures.get("build", {})
        return self._rendered(
            "release",
            splits=counted.get("splits", {}),
            outcomes=build.get("outcomes", {}),
            rows=build.get("rows"),
            opted_out=counted.get("opt_out"),
            hosts=self._hosts(),
            removals=removals,
            files=self._release.files,
        )

    def _card(self, request: Request) -> Response:
        text = plain_lines(self._text("README.md", _MOST_CARD))
        return self._rendered("release_card", text=text)

    def _samples(self, request: Request) -> Response:
        page = page_number(request.query_params.get("page", ""))
        asked = SampleFilter.of(request.query_params)
        splits = splits_of(self._release.files)
        if asked.split and asked.split not in splits:
            raise WebbodyError(
                f"split {asked.split[:40]!r}: is not in this release, which has "
                f"{', '.join(splits)}."
            )
        rows = list(self._rows(asked, (page - 1) * _PAGE, _PAGE + 1))
        given = {name: request.query_params.get(name, "") for name in _ASKED}
        return self._rendered(
            "release_samples", rows=rows[:_PAGE], more=len(rows) > _PAGE, page=page, asked=given,
            splits=splits,
        )  # fmt: skip

    def _rows(self, asked: SampleFilter, skip: int, most: int) -> Iterator[dict[str, Any]]:
        """Samples of a page: files whose rows all come before it are not read."""
        splits = (asked.split,) if asked.split else splits_of(self._release.files)
        unfiltered = asked == SampleFilter(split=asked.split)
        for split in splits:
            for name, file in self._release.files.items():
                if not name.startswith(f"data/{split}-"):
                    continue
                if unfiltered and skip >= file.rows:
                    skip -= file.rows
                    continue
                for table in self._release.tables(_COLUMNS, files=[name]):
                    table = asked.chosen(table)
                    rows = table.slice(skip, most)
                    skip = max(0, skip - len(table))
                    yield from rows.to_pylist()
                    most -= len(rows)
                    if most <= 0:
                        return

    def _figures(self) -> dict[str, Any]:
        try:
            found = parse_json(self._text("figures.json", _MOST_FIGURES))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            return {}
        return {name: part for name, part in found.items() if isinstance(part, dict)}

    def _hosts(self) -> list[tuple[str, str]]:
        """The hosts with most samples, which the file has first."""
        data = self._beginning("domains.csv", _MOST_HOSTS)
        lines = data.decode("utf-8", "replace").splitlines()[1:31]
        return [(host, count) for host, _, count in (line.rpartition(",") for line in lines)]

    def _removals(self) -> int | None:
        """How many the list of removals that comes with it holds; None where it is elsewhere."""
        found = read_removals(self._release.folder)
        return None if found is None else len(found.entries)

    def _text(self, name: str, most: int) -> str:
        """A whole text; "" where there is none, or a longer one."""
        data = self._beginning(name, most + 1)
        return data.decode("utf-8", "replace") if len(data) <= most else ""

    def _beginning(self, name: str, most: int) -> bytes:
        path = Path(self._release.folder.path(name))
        if not path.is_file():  # a pipe would be waited for
            return b""
        with self._release.folder.open(name) as file:
            return file.read(most)

    def _rendered(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        common = {"here": name, "out": self._release.folder.url, "info": self._release.info}
        return HTMLResponse(render(name, edit=False, form_secret="", **common, **values), status)

    def _user_error(self, request: Request, error: Exception) -> Response:
        said = error.sentence if isinstance(error, WebbodyError) else str(error)
        return self._told(said, 400)

    def _missing(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._told("There is nothing at this address.", status)

    def _told(self, sentence: str, status: int) -> Response:
        return self._rendered("release_error", status, title=title_of(status), sentence=sentence)
