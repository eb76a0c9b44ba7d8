"""A finished build for tests that only read it."""

import pytest
from packed_builds import make_packed_build


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    """Its folder, and its samples by key."""
    out = tmp_path_factory.mktemp("packed") / "build"
    return out, make_packed_build(out)
