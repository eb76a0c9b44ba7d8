"""A server for every test that fetches."""

from collections.abc import Iterator

import pytest
from hostile_server import Server, serving


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
