"""A drawn build with a hostile name and hostile URLs, and a browser's client of its pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_build import HOSTILE, Rows, draw_build
from starlette.testclient import TestClient
from viewer_client import client_of

from pipelines.viewer.index.viewed import WatchedBuild

BIDI = "Ann\u202egnp.exe\x1b[31m"


@pytest.fixture(scope="session")
def drawn_rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Rows]]:
    out = tmp_path_factory.mktemp("viewed")
    names = [["Ada Quill", HOSTILE, BIDI, "Ada Q."], ["Dov Laine"]]
    return out, draw_build(str(out), names, images=14, side=96)


@pytest.fixture(scope="session")
def watched(drawn_rows: tuple[Path, dict[str, Rows]]) -> Iterator[WatchedBuild]:
    with WatchedBuild(str(drawn_rows[0])) as build:
        yield build


@pytest.fixture(scope="session")
def client(watched: WatchedBuild) -> TestClient:
    return client_of(watched)
