"""Who may ask: only a browser of this machine that was given the token, from our own pages.

A server on loopback is in reach of every page that the browser shows: a foreign page may send it
forms, or make a name of its own point at 127.0.0.1 (DNS rebinding). So the host must be ours by
name, a random token must have come with the first address, and what changes anything needs a second
secret that only our pages hold.
"""

import hmac
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Nothing from elsewhere, nothing inline: a name with markup in it would find nothing to run.
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`, with which browsers hide from us that a form is our own.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",  # faces do not stay in the browser's cache
    "X-Robots-Tag": "noindex",
}
_STATIC_AGE = "private, max-age=3600"
#: Characters of a path; no number in one can then be too long to be read.
_LONGEST = 2000
#: Not called a token, which whatever prints addresses would hide.
TOKEN = "enter"


class Gate:
    """The token of a server, and the secret of its forms.

    Args:
        port: Where it listens: cookies do not tell ports apart, so that the name of ours does.
        token: Another than a random one, for tests.
    """

    def __init__(self, port: int, token: str = "") -> None:
        self.token = token or secrets.token_urlsafe(24)
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.cookie = f"webbody-view-{port}"
        #: What forms carry; the token itself is in no page.
        self.form_secret = hmac.new(self.token.encode(), b"forms", "sha256").hexdigest()

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request has our cookie."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return found is not None and _equal(found.value, self.token)

    def is_own_form(self, secret: str) -> bool:
        """Whether what changes something comes from one of our pages."""
        return _equal(secret, self.form_secret)

    def entered(self, scope: Scope) -> Response | None:
        """The answer to an address with the token: the cookie, and the address without it."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(pairs).get(TOKEN)
        if given is None or scope["method"] not in ("GET", "HEAD"):
            return None
        if not _equal(given, self.token):
            return _refused("this is not the token of this server")
        rest = urlencode([pair for pair in pairs if pair[0] != TOKEN])
        path = "/" + scope["path"].lstrip("/")  # `//host` would lead elsewhere
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        return answer


class Guarded:
    """An application behind a gate; it adds the headers that bind the browser."""

    def __init__(self, app: ASGIApp, gate: Gate, policy: str = _POLICY) -> None:
        """policy: What the pages may load, as a content security policy."""
        self._app, self._gate, self._policy = app, gate, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers["Content-Security-Policy"] = self._policy
                if scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = _STATIC_AGE
            await send(message)

        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, sending)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to who does not come in; None for the others."""
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self._gate.hosts:
            return _refused("this server answers to 127.0.0.1 and localhost only", 421)
        if len(scope["path"]) > _LONGEST:
            return _refused("no page has so long an address")
        if (answer := self._gate.entered(scope)) is not None:
            return answer
        if not self._gate.knows(headers):
            return _refused("open the address that `webbody view` printed: it holds a token")
        if scope["method"] not in ("GET", "HEAD") and not self._is_own(headers):
            return _refused("another site sent this")
        return None

    def _is_own(self, headers: Headers) -> bool:
        """Whether the page that sends comes from here, as far as the browser tells."""
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site")
        return (origin is None or origin.removeprefix("http://") in self._gate.hosts) and (
            site in (None, "same-origin")
        )


def _refused(why: str, status: int = 403) -> Response:
    return PlainTextResponse(f"Refused: {why}.\n", status)


def _equal(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode("utf-8", "replace"), other.encode())
