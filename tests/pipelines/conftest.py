"""A server for every test that fetches, and builds without Ray."""

from collections.abc import Iterator

import pytest
from hostile_server import Server, serving

from pipelines.engine.in_process import InProcess


@pytest.fixture(scope="session")
def running_server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def server(running_server: Server) -> Server:
    """It knows no route yet, and nobody has asked it anything."""
    running_server.routes.clear()
    running_server.hits.clear()
    return running_server


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds run in this process: for tests of what a build does, not of how Ray runs it."""
    monkeypatch.setattr(
        "pipelines.build.start_executor", lambda resources, on_event: InProcess(resources)
    )
