"""The one style sheet and the one script of the pages."""

from functools import cache
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_KINDS = {"view.css": "text/css", "view.js": "text/javascript"}


def static_file(request: Request) -> Response:
    """A file of webbody/templates/view that is served as it is."""
    name = request.path_params["name"]
    if name not in _KINDS:
        raise HTTPException(404)
    return Response(_content(name), media_type=_KINDS[name])


@cache
def _content(name: str) -> bytes:
    return (resources.files("webbody") / "templates" / "view" / name).read_bytes()
