"""The web application: which address shows which page."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import duckdb
import pyarrow as pa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pipelines.viewer.editing import Asked, Editing
from pipelines.viewer.index.selection import page_number, read_selection, whole
from pipelines.viewer.index.thresholds import threshold
from pipelines.viewer.index.viewed import NotInBuild, ViewedBuild, WatchedBuild
from pipelines.viewer.pages.corrections import corrections_page
from pipelines.viewer.pages.figures import figures_page
from pipelines.viewer.pages.funnel import first_page
from pipelines.viewer.pages.grid import grid
from pipelines.viewer.pages.image import image_page
from pipelines.viewer.pages.map import map_of_faces, map_of_people, people_in_lasso
from pipelines.viewer.pages.pairs import pairs_page
from pipelines.viewer.pages.people import name_page, near_people, people_page, person_page
from pipelines.viewer.pages.rendering import render
from pipelines.viewer.pages.review import review_page
from pipelines.viewer.pictures.drawings import drawn
from pipelines.viewer.pictures.thumbnails import Pictures, Place
from pipelines.viewer.search import MOST_BYTES, PhotoSearch
from pipelines.viewer.security import Gate, Guarded
from pipelines.viewer.static import static_file
from webbody.errors import WebbodyError
from webbody.plain_text import plain_text

_SIDES = range(16, 1025)
_DAMAGED = (
    "A table of this build cannot be read; `webbody verify` tells which, and `--repair` helps."
)

#: What pages are called that say what is wrong, by their status.
_TITLES = {
    400: "This cannot be answered",
    403: "Refused",
    404: "Not found",
    405: "Not possible here",
    500: "Damaged",
}

#: Verdicts of pictures with their labels and keys.
VERDICTS = (
    ("not-this-person", "somebody else", "s"),
    ("bad-picture", "bad picture", "b"),
    ("wrong-box", "wrong box", "w"),
    ("keep", "keep it", "e"),
    ("right", "right", "r"),
)

Page = Callable[[ViewedBuild, Request], dict[str, Any]]


class Site:
    """The pages of a build.

    Args:
        build: The folder that is looked at.
        gate: Who may ask.
        editing: Writes corrections; None: nothing may be changed.
    """

    def __init__(self, build: WatchedBuild, gate: Gate, editing: Editing | None = None) -> None:
        self._build, self._gate, self._editing = build, gate, editing
        self._pictures = Pictures()
        self._photos = PhotoSearch()

    def app(self) -> Starlette:
        """The application behind its gate."""
        page = self._page
        routes = [
            Route("/", page("funnel", lambda viewed, _: first_page(viewed))),
            Route("/figures", page("figures", _figures)),
            Route("/grid", page("grid", _grid)),
            Route("/image", page("image", _image)),
            Route("/image/{key}", page("image", _image)),
            Route("/people", page("people", _people)),
            Route("/person/{person:int}", page("person", _person)),
            Route("/name", page("person", _name)),
            Route("/pairs", page("pairs", _pairs)),
            Route("/map", page("map", _map)),
            Route("/map.json", self._points),
            Route("/search", self._search, methods=["GET", "POST"]),
            Route("/corrections", page("corrections", _corrections)),
            Route("/review", page("review", lambda viewed, _: review_page(viewed))),
            Route("/correct", self._correct, methods=["POST"]),
            Route("/find", self._find),
            Route("/picture/{stage}/{shard}/{offset:int}/{length:int}.jpg", self._picture),
            Route("/drawn/{kind}/{shard}/{key}/{item}.jpg", self._drawn),
            Route("/static/{name}", static_file),
            Route("/favicon.ico", lambda request: Response(status_code=204)),
        ]
        handlers: Any = {
            WebbodyError: self._user_error,
            HTTPException: self._missing,
            pa.ArrowException: self._damage,
            duckdb.Error: self._damage,
        }
        gate = Middleware(Guarded, gate=self._gate)
        return Starlette(routes=routes, middleware=[gate], exception_handlers=handlers)

    def _page(self, name: str, values: Page) -> Callable[[Request], Response]:
        """An endpoint, which runs in a thread: it reads files."""

        def endpoint(request: Request) -> Response:
            viewed = self._build.now()
            try:
                found = values(viewed, request)
            except (duckdb.Error, FileNotFoundError):
                # A file of the index went with a change of the folder between two looks.
                viewed = self._build.now(anew=True)
                found = values(viewed, request)
            return self._rendered(name, viewed, found)

        return endpoint

    def _rendered(
        self, name: str, viewed: ViewedBuild | None, values: dict[str, Any], status: int = 200
    ) -> HTMLResponse:
        common = {
            "here": name,
            "out": viewed.build.folder.url if viewed else "",
            "edit": self._editing is not None,
            "verdicts": VERDICTS,
            "form_secret": self._gate.form_secret if self._editing else "",
            "has": viewed.build.graph.has if viewed else lambda stage: False,
        }
        return HTMLResponse(render(name, **common, **values), status)

    def _points(self, request: Request) -> Response:
        viewed, person = self._build.now(), request.query_params.get("person", "")
        found = map_of_faces(viewed, whole("person", person)) if person else map_of_people(viewed)
        return JSONResponse(found)

    async def _search(self, request: Request) -> Response:
        """The form, and what was found for the photo that it sent."""
        photo = b""
        if request.method == "POST":
            size = request.headers.get("content-length", "")
            if not size.isdecimal() or int(size) > MOST_BYTES + 10_000:
                raise WebbodyError(f"The photo has more than {MOST_BYTES:,} bytes.")
            async with request.form(max_files=1, max_fields=4) as form:
                if not self._gate.is_own_form(str(form.get("secret", ""))):
                    raise HTTPException(403, "This did not come from a page of this server.")
                sent = form.get("photo")
                photo = await sent.read() if isinstance(sent, UploadFile) else b""
        return await run_in_threadpool(self._searched, photo)

    def _searched(self, photo: bytes) -> Response:
        viewed = self._build.now()
        found = near_people(viewed, self._photos.nearest(viewed, photo)) if photo else None
        similar = threshold("identities.similar", viewed.settings)
        values = {"found": found, "similar": similar, "search_secret": self._gate.form_secret}
        return self._rendered("search", viewed, values)

    async def _correct(self, request: Request) -> Response:
        """Write a correction; the answer is for the script of the pages."""
        async with request.form(max_files=0, max_fields=2000) as form:
            if self._editing is None or not self._gate.is_own_form(str(form.get("secret", ""))):
                raise HTTPException(403, "This server is read-only, or another page sent this.")
            several = {
                name: [str(value) for value in form.getlist(name)]
                for name in ("item", "first", "second", "undo")
            }
            asked = Asked(
                str(form.get("verdict", "")),
                several["item"],
                several["first"],
                several["second"],
                several["undo"],
                str(form.get("why", "")),
            )
        try:
            done = await run_in_threadpool(self._editing.say, asked)
        except WebbodyError as error:
            return JSONResponse({"sentence": plain_text(error.sentence), "ids": []}, 400)
        return JSONResponse({"sentence": done.sentence, "ids": list(done.ids)})

    def _find(self, request: Request) -> Response:
        """A URL, or the key of a row, crop or sample leads to its image; other texts to a grid."""
        text = request.query_params.get("find", "").strip()
        rows = self._build.now().database.rows(
            "SELECT DISTINCT key FROM crops WHERE key = $1 OR crop = $1 OR sample = $1 OR url = $1 "
            "LIMIT 2",
            (text,),
        )
        if len(rows) == 1 and rows[0]["key"]:
            return RedirectResponse(f"/image/{rows[0]['key']}", 303)
        return RedirectResponse(f"/grid?{urlencode({'find': text})}", 303)

    def _picture(self, request: Request) -> Response:
        found = request.path_params
        place = Place(found["stage"], found["shard"], found["offset"], found["length"])
        side = 240
        with suppress(ValueError):
            side = int(request.query_params.get("side", "240"))
        if side not in _SIDES:
            raise HTTPException(404)
        viewed = self._build.now()
        if max(place.offset, place.length) >= 1 << 63:
            raise HTTPException(404)
        if place.shard not in (*viewed.build.planned, *viewed.build.packs):
            raise HTTPException(404)
        face = _box(request.query_params.get("face", ""))
        return _jpeg(self._pictures.thumbnail(viewed, place, side, face))

    def _drawn(self, request: Request) -> Response:
        found = request.path_params
        where = (found["kind"], found["shard"], found["key"], found["item"])
        return _jpeg(drawn(self._build.now(), self._pictures, *where))

    def _user_error(self, request: Request, error: Exception) -> Response:
        said = error.sentence if isinstance(error, WebbodyError) else str(error)
        return self._told(said, 404 if isinstance(error, NotInBuild) else 400)

    def _missing(self, request: Request, error: Exception) -> Response:
        status, said = 500, str(error)
        if isinstance(error, HTTPException):
            status, said = error.status_code, error.detail
        return self._told("There is nothing at this address." if status == 404 else said, status)

    def _damage(self, request: Request, error: Exception) -> Response:
        return self._told(_DAMAGED, 500)

    def _told(self, sentence: str, status: int) -> Response:
        values = {"title": title_of(status), "sentence": sentence}
        return self._rendered("error", None, values, status)


def title_of(status: int) -> str:
    """What a page is called that says what is wrong."""
    return _TITLES.get(status, "This cannot be shown")


def _figures(viewed: ViewedBuild, request: Request) -> dict[str, Any]:
    return figures_page(viewed, dict(request.query_params))


def _grid(viewed: ViewedBuild, request: Request) -> dict[str, Any]:
    lasso = request.query_params.get("lasso", "")
    people = people_in_lasso(viewed, lasso) if lasso else None
    return grid(viewed, read_selection(request.query_params, viewed.database.columns, people))


def _people(viewed: ViewedBuild, request: Request) -> dict[str, Any]:
    return people_page(viewed, request.query_params.get("order", ""), _page_of(request))


def _person(viewed: ViewedBuild, request: Request) -> dict[str, Any]:
    order, person = request.query_params.get("order", ""), request.path_params["person"]
    if person >= 1 << 63:
        raise HTTPException(404)
    return person_page(viewed, person, order)


def _name(viewed: ViewedBuild, request: Request) -> dict[str, Any]:
    return name_page(viewed, request.query_params.get("name", ""))


def _pairs(viewed: ViewedBuild, request: Request) -> dict[str, Any]:
    return pairs_page(viewed, request.query_params.get("decision", ""), _page_of(request))


def _corrections(viewed: ViewedBuild, request: Request) -> dict[str, Any]:
    return corrections_page(viewed, _page_of(request))


def _map(viewed: ViewedBuild, request: Request) -> dict[str, Any]:
    person = request.query_params.get("person", "")
    return {"person": whole("person", person) if person else None}


def _page_of(request: Request) -> int:
    return page_number(request.query_params.get("page", ""))


def _image(viewed: ViewedBuild, request: Request) -> dict[str, Any]:
    key, url = request.path_params.get("key", ""), request.query_params.get("url", "")
    return image_page(viewed, key, url)


def _jpeg(data: bytes | None) -> Response:
    if data is None:
        raise HTTPException(404)
    return Response(data, media_type="image/jpeg")


def _box(text: str) -> tuple[float, ...] | None:
    """Four finite numbers of a sane size, or None."""
    parts = text.split(",")
    try:
        box = tuple(float(part) for part in parts)
    except ValueError:
        return None
    return box if len(box) == 4 and all(abs(value) < 100_000 for value in box) else None
