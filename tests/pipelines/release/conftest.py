"""A release of the session's build, for tests that only read it."""

import pytest
from written_release import card

from pipelines.release.write import write_release


@pytest.fixture(scope="module")
def release(demo, tmp_path_factory):
    out = tmp_path_factory.mktemp("release") / "R"
    write_release(str(demo.out), str(out), card())
    return out
