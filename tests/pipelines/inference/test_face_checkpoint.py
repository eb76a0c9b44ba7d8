"""A face embedder of `webbody train` where a checkpoint is asked for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from model import FaceEmbedder
from model.evaluation.studies.zoom import Zoom
from model.faces.features import FaceFeatures
from model.features.extract import Extractor
from model.features.samples import Sample
from pipelines.evaluate.models.embedder import open_embedder
from pipelines.inference.checkpoint import open_checkpoint, open_sapiensid
from webbody.errors import WebbodyError
from webbody.skeleton import COUNT, FACE5


@pytest.fixture
def run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    FaceEmbedder(depth=1, width=16, heads=2, output_dim=8).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def sample(key: str, has_face: bool) -> Sample:
    keypoints = np.zeros((COUNT, 3), np.float32)
    places = [(0.4, 0.3), (0.6, 0.3), (0.5, 0.4), (0.42, 0.5), (0.58, 0.5)]
    keypoints[FACE5] = [(x, y, 1) for x, y in places]
    if not has_face:
        keypoints[FACE5[0]] = 0
    pixels = np.random.default_rng(0).integers(0, 255, (384, 384, 3), np.uint8)
    return Sample("shard", key, pixels, keypoints)


def test_it_gives_features_of_those_who_show_a_face(run: Path) -> None:
    found = open_checkpoint(run)
    assert isinstance(found.model, FaceFeatures)
    assert found.info()["arguments"]["family"] == "kprpe-vit" and len(found.sha256) == 64
    (batch,) = Extractor(found.model)([sample("a", True), sample("b", False)])
    assert [one.outcome for one in batch.samples] == [None, "face:none"]
    assert np.isfinite(batch.features_BF).all() and np.abs(batch.features_BF[0]).sum() > 0
    assert open_embedder(run).info["sha256"] == found.sha256


def test_studies_of_any_model_take_it(run: Path) -> None:
    study = Zoom(open_checkpoint(run).model)
    (batch,) = Extractor(study)([sample("a", True), sample("b", False)])
    assert np.isfinite(batch.features_BF).all()
    assert [one.outcome for one in batch.samples] == [None, "face:none"]


def test_what_needs_parts_refuses_it(run: Path) -> None:
    with pytest.raises(WebbodyError, match="no checkpoint of SapiensID"):
        open_sapiensid(run)


@pytest.mark.parametrize("text", ["{", "[]", '{"family": "other"}', '{"family": ["kprpe-vit"]}'])
def test_a_folder_of_something_else_is_refused(run: Path, text: str) -> None:
    (run / "model.json").write_text(text)
    with pytest.raises(WebbodyError, match="no checkpoint of SapiensID"):
        open_checkpoint(run)


def rewrite(run: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = load_file(run / "model.safetensors")
    change(state)
    save_file(state, run / "model.safetensors")


def test_weights_that_are_no_numbers_are_refused(run: Path) -> None:
    rewrite(run, lambda state: state["net.norm.bias"].fill_(torch.nan))
    with pytest.raises(WebbodyError, match=r"no numbers \(embedder\.net\.norm\.bias"):
        open_checkpoint(run)


def test_a_block_with_a_great_number_is_refused_at_once(run: Path) -> None:
    rewrite(run, lambda state: state.update({"net.blocks.99999999.x": torch.zeros(1)}))
    with pytest.raises(WebbodyError, match="blocks are not numbered"):
        open_checkpoint(run)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"width": 64}, "says width 64, and the weights have 16"),
        ({"depth": 10**12}, "says depth"),
        ({"heads": "2"}, "says heads 2"),
        ({"wings": 1}, "'wings' is no argument"),
    ],
)
def test_a_description_of_other_weights_is_refused(run: Path, said: Any, told: str) -> None:
    about = json.loads((run / "model.json").read_text())
    about["arguments"].update(said)
    (run / "model.json").write_text(json.dumps(about))
    with pytest.raises(WebbodyError, match=told):
        open_checkpoint(run)


def test_landmarks_on_one_point_are_no_face(run: Path) -> None:
    one = sample("a", True)
    assert one.keypoints is not None
    one.keypoints[FACE5, :2] = 0.5
    (batch,) = Extractor(open_checkpoint(run).model)([one, sample("b", True)])
    assert [one.outcome for one in batch.samples] == ["face:none", None]
    assert np.isfinite(batch.features_BF).all()


def test_a_damaged_one_is_told(run: Path) -> None:
    (run / "model.safetensors").write_bytes(b"1")
    with pytest.raises(WebbodyError, match="KP-RPE face embedder"):
        open_checkpoint(run)
    about = json.loads((run / "model.json").read_text())
    assert about["family"] == "kprpe-vit"
