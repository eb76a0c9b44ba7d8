"""Evaluations and trainings in the browser: their pages, behind the same gate."""

import json

import numpy as np
import pytest
from evaluated_trees import market, one_hot, write_features
from starlette.testclient import TestClient
from viewer_client import HOST

from pipelines.evaluate.report.output import write
from pipelines.evaluate.requests import DatasetRequest
from pipelines.evaluate.run import evaluate
from pipelines.viewer.reports import ReportSite, report_of
from pipelines.viewer.security import Gate
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.images import encode_jpeg

REPORT = {
    "done": 5, "steps": 10, "seen": 40, "loss": 3.5, "images": 100.0, "lr": 0.1, "tokens": 1.0,
    "grad_norm": 1.0, "feature_norm": 1.0, "data_wait": 0.1, "seconds_per_step": 0.1, "eta": 1.0,
    "mfu": None, "parts": {"mean": 0.5, "spread": 0.0, "keypoints": {}},
}  # fmt: skip


def client_of_report(make) -> TestClient:
    assert make is not None
    client = TestClient(ReportSite(make, Gate(8123, "a-token")).app(), base_url=HOST)
    assert client.get("/").status_code == 403
    assert client.get("/?enter=a-token").status_code == 200
    return client


def test_a_training_is_shown_as_it_goes_on(tmp_path):
    (tmp_path / "log.jsonl").write_text(json.dumps(REPORT) + "\n")
    client = client_of_report(report_of(str(tmp_path)))
    answer = client.get("/")
    assert "Training" in answer.text and answer.headers["refresh"]
    assert "script-src" not in answer.headers["content-security-policy"]
    (tmp_path / "log.jsonl").write_text(json.dumps({**REPORT, "done": 10}) + "\n")
    assert "refresh" not in client.get("/").headers


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """The folders of an evaluation, made twice."""
    root = tmp_path_factory.mktemp("evaluated")
    images = market(root / "market")
    for image in images:
        pixels = np.full((64, 32, 3), 90, np.uint8)
        (root / "market" / image).write_bytes(encode_jpeg(pixels, 90))
    file = write_features(root / "features.parquet", images, list(one_hot(images)))
    request = DatasetRequest("market1501", str(root / "market"), str(file))
    found = evaluate([request], lambda: pytest.fail("no"), BuildConfig(), str(root / "cache"))
    for name in ("one", "other"):
        write(str(root / name), found)
    return root


def test_an_evaluation_is_shown_alone_and_beside_another(evaluated):
    one, other = str(evaluated / "one"), str(evaluated / "other")
    for make in (report_of(one), report_of(one, other)):
        text = client_of_report(make).get("/").text
        assert "Market-1501" in text and "data:image/jpeg" in text and "<script" not in text


def test_a_build_is_none_of_these(drawn_rows, tmp_path):
    assert report_of(str(drawn_rows[0])) is None
    assert report_of(str(tmp_path)) is None


def test_what_is_no_evaluation_is_told(tmp_path):
    make = report_of(str(tmp_path), str(tmp_path))
    with pytest.raises(WebbodyError):
        make()
