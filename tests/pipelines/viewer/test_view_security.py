"""Who gets in: the token, the host, other sites; and what every answer forbids the browser."""

import pytest
from starlette.testclient import TestClient

from pipelines.viewer.index.viewed import WatchedBuild
from pipelines.viewer.security import Gate
from pipelines.viewer.site import Site

HOST = "http://127.0.0.1:8123"


@pytest.fixture
def stranger(watched: WatchedBuild) -> TestClient:
    return TestClient(Site(watched, Gate(8123, "a-token")).app(), base_url=HOST)


@pytest.mark.parametrize("path", ["/", "/grid", "/static/view.css", "/picture/persons/0/0/9.jpg"])
def test_nobody_comes_in_without_the_token(stranger: TestClient, path: str):
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "token" in answer.text and "Ada" not in answer.text


def test_a_wrong_token_opens_nothing(stranger: TestClient):
    assert stranger.get("/?enter=another").status_code == 403
    assert not stranger.cookies


def test_the_token_becomes_a_cookie_and_leaves_the_address(stranger: TestClient):
    answer = stranger.get("/grid?row=kept&enter=a-token", follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/grid?row=kept"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert stranger.get("/").status_code == 200


def test_a_redirect_stays_on_this_server(stranger: TestClient):
    answer = stranger.get(HOST + "//elsewhere.example/?enter=a-token", follow_redirects=False)
    assert answer.headers["location"].startswith("/elsewhere.example")


@pytest.mark.parametrize("host", ["evil.example:8123", "127.0.0.1", "127.0.0.1:9", "[::1]:8123"])
def test_another_host_name_is_refused(client: TestClient, host: str):
    assert client.get("/", headers={"host": host}).status_code == 421


def test_every_answer_binds_the_browser(client: TestClient, stranger: TestClient):
    for answer in (client.get("/"), client.get("/nothing"), stranger.get("/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"


def test_nothing_is_changed_by_a_request_from_another_site(client: TestClient):
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = client.post("/correct", headers=headers)
        assert answer.status_code == 403 and "another site" in answer.text


def test_a_read_only_server_takes_no_corrections(client: TestClient):
    assert client.post("/correct", data={"what": "bad"}).status_code in (403, 404, 405)


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [("/nothing", 404, "Not found"), ("/grid?page=0", 400, "This cannot be answered")],
)
def test_a_page_that_says_what_is_wrong_is_called_so(
    client: TestClient, path: str, status: int, title: str
):
    answer = client.get(path)
    assert answer.status_code == status
    assert f"<title>{title} – webbody view</title>" in answer.text
    assert f"<h1>{title}</h1>" in answer.text


def test_what_is_refused_is_titled_so(client: TestClient):
    answer = client.post("/correct", data={"what": "bad"})
    assert answer.status_code == 403 and "<h1>Refused</h1>" in answer.text
    assert "This server is read-only" in answer.text and "403:" not in answer.text
