"""A browser's client of the viewer's pages."""

from starlette.testclient import TestClient

from pipelines.viewer.editing import Editing
from pipelines.viewer.index.viewed import WatchedBuild
from pipelines.viewer.security import Gate
from pipelines.viewer.site import Site

HOST = "http://127.0.0.1:8123"


def client_of(build: WatchedBuild, editing: Editing | None = None) -> TestClient:
    """A client that has come in by the address with the token."""
    gate = Gate(8123, "a-token")
    client = TestClient(Site(build, gate, editing).app(), base_url=HOST)
    assert client.get("/?enter=a-token").status_code == 200
    return client
