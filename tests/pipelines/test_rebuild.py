"""Building from a release: no model, no name; the publisher's bytes where nothing rotted."""

import pyarrow.parquet as pq
import pytest
from made_release import digests, make_release

from pipelines.build import build
from webbody.config import load

LOCAL = ["download.allow_private=[127.0.0.1]"]


def settings(release, out, *overrides):
    config = load(None, [*LOCAL, *overrides])
    config.manifest, config.out = str(release), str(out)
    return config


@pytest.fixture(scope="module")
def release(demo, tmp_path_factory):
    return make_release(demo.out, tmp_path_factory.mktemp("released") / "r").root


def test_the_same_bytes_without_any_model(demo, release, in_process, tmp_path):
    config = settings(release, tmp_path / "out")
    config.persons.model = config.faces.embedder = config.keypoints.model = "/nothing/there.pt"
    result = build(config)
    assert result.complete
    assert digests(tmp_path / "out") == digests(demo.out)
    assert set(result.outcomes) == {"kept"}
    again = build(config)
    assert again.ran == 0
    for stage in ("plan", "ledger"):
        for path in (tmp_path / "out" / stage).glob("*.parquet"):
            assert pq.read_table(path)["name"].null_count == pq.read_table(path).num_rows
