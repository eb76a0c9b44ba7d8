"""FiftyOne with a database in memory instead of MongoDB's server, where mongomock is installed."""

import os
from importlib.util import find_spec
from typing import Any

import pytest


def fiftyone() -> Any:
    """The library, ready to use; pytest skips where it or mongomock is missing."""
    mongomock = pytest.importorskip("mongomock")
    if find_spec("fiftyone") is None:  # it connects as it is imported
        pytest.skip("fiftyone is not installed")
    import mongoengine.connection
    import pymongo

    os.environ |= {
        "FIFTYONE_DATABASE_URI": "mongodb://localhost",
        "FIFTYONE_DISABLE_SERVICES": "1",
        "FIFTYONE_DO_NOT_TRACK": "1",
    }
    client = mongomock.MongoClient()
    client._closed = False

    def connected(*_: Any, **__: Any) -> Any:
        return client

    pymongo.MongoClient = mongoengine.connection.MongoClient = connected
    import fiftyone as library
    import fiftyone.core.odm.database as database

    database._validate_db_version = lambda *_, **__: None
    return library
